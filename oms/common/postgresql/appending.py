"""Tables of which rows are only ever added."""


def append_only(table: str) -> str:
    """The SQL that (re)creates the trigger by which the database refuses to change or delete a row of the table."""
    return f"""
        CREATE OR REPLACE FUNCTION {table}_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rows of {table} are only ever added'
                USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_only_grows', TABLE = TG_TABLE_NAME,
                    HINT = 'Add a row that says what is different now, and why.';
        END $$;
        CREATE OR REPLACE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_only_grows();
    """

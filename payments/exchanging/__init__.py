"""The money of exchanges (换货): what goods that come back pay of the new ones, and what becomes of it."""

"""Change sets (变更单): several changes of a placed order, looked at and confirmed as one."""

"""What collects, buffers and forwards metrics on a machine, for any charm that has one."""

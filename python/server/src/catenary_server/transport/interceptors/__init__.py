"""What every call goes through before and after its servicer method, one step to a module."""

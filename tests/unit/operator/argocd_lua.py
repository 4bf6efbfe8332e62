"""Lua as Argo CD runs it: version 5.1 with the libraries base and table, and of `os` what tells the time."""

from typing import Any

from lupa import lua51

from finetune_operator.kinds import Manifest

_SANDBOX = """
getmetatable("").__index = nil
local clock = ...
local function date(format)
  assert(format ~= nil, "os.date needs a format here")
  return clock(format)
end
local names = {
  "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawset", "select",
  "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall", "table",
}
local globals = {}
for _, name in ipairs(names) do globals[name] = _G[name] end
globals.require = function(name)
  if name == "os" then return { date = date } end
  error("module '" .. name .. "' not found")
end
return function(script, object)
  globals.obj = object
  return setfenv(assert(loadstring(script)), globals)()
end
"""


class Sandbox:
    """Runs scripts at a fixed time. clock: what `os.date` says to a format."""

    def __init__(self, clock: dict[str, str]) -> None:
        self._lua = lua51.LuaRuntime(register_eval=False, register_builtins=False)
        self._run = self._lua.execute(_SANDBOX, clock.__getitem__)

    def run(self, script: str, resource: Manifest) -> Any:
        """Return what the script returns for the resource. Raises LuaError."""
        return _plain(self._run(script, self._lua.table_from(resource, recursive=True)))


def _plain(value: Any) -> Any:
    """Return a Lua value as Python's; a table that begins with 1 is a list, as Argo CD sees it."""
    if lua51.lua_type(value) != "table":
        return value
    if 1 in value:
        return [_plain(item) for item in value.values()]
    return {key: _plain(item) for key, item in value.items()}

-- Which actions a FineTuneJob offers, as it stands.
local status = obj.status or {}
local is = {}
for _, condition in ipairs(status.conditions or {}) do
  is[condition.type] = condition.status == "True"
end

local suspended = obj.spec.suspend == true
local over = is.Succeeded or is.Stalled or false
return {
  suspend = { disabled = suspended or over, displayName = "Suspend", iconClass = "fa fa-fw fa-pause" },
  resume = { disabled = not suspended, displayName = "Resume", iconClass = "fa fa-fw fa-play" },
  retry = { disabled = not is.Stalled, displayName = "Go on where it failed", iconClass = "fa fa-fw fa-redo" },
  rerun = { disabled = not over, displayName = "Train anew", iconClass = "fa fa-fw fa-sync" },
}

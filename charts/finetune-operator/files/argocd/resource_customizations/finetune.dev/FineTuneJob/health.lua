-- How a FineTuneJob is. Argo CD runs this without Lua's string and math libraries.
local health = { status = "Progressing", message = "The operator has not seen the job yet." }

if obj.status == nil or obj.status.conditions == nil then
  return health
end

if obj.metadata.deletionTimestamp == nil and obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "The operator has not seen the last change yet."
  return health
end

local is = {}
for _, condition in ipairs(obj.status.conditions) do
  is[condition.type] = condition.status == "True"
end

health.message = obj.status.message
if obj.metadata.deletionTimestamp ~= nil then
  health.status = "Progressing"
elseif is.Stalled then
  health.status = "Degraded"
elseif obj.status.phase == "Suspended" then
  health.status = "Suspended"
elseif is.Ready and not is.Reconciling then
  health.status = "Healthy"
end
return health

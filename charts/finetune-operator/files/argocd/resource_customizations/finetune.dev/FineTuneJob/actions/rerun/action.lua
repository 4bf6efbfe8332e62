-- Any new value begins a new run of the same inputs.
local os = require("os")
obj.spec.runId = os.date("!%Y%m%d-%H%M%S")
return obj

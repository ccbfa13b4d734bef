-- For Orthanc: every film of bone that is stored goes to the node.
-- What the node sends back is SR and OT, which are not in the list, so nothing loops.
local FILMS = { CR = true, DX = true, RG = true }

function OnStoredInstance(instance, tags, metadata, origin)
  if FILMS[tags["Modality"]] and origin["RemoteAet"] ~= "FRACTURE" then
    -- A node that is down makes this fail in the log only: `fracture node reconcile`.
    SendToModality(instance, "fracture")
  end
end

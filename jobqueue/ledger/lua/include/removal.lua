-- What is left of a deleted broadcast's executions: their records and the lists by host, or also their places among those
-- that wait and run, and in the indexes of versions before.
local RECORDS, ALL_TRACES = '0', '1'

"""Scripts on who mints codes for a link's recipients: of several programs, one after the other.

`mints:<number>` is a hash. Its field `version` counts what began; each other field is the id of what is under
way, with Redis's time in seconds. Invariants:

1. Who mints reads the version, waits until nothing is under way, looks into the catalogue, and begins only at
   the version that was read. So nobody can have minted since for whom it looked.
2. What began is under way until its codes are in the catalogue; its repeat, by whoever applies the event
   again, goes on.
3. What takes longer than `MINT_WITHIN_S` is given up for dead, and its repeat begins no more.

KEYS: the link's hash is the last.
"""

from typing import Final

MINT_WITHIN_S: Final = 90
"""More than the warehouse takes for an insert, or to say that it failed."""

# ARGV: `MINT_WITHIN_S`. The version, then the ids of what is under way.
READ: Final = b"""
local key, now, version, found = KEYS[#KEYS], tonumber(redis.call('TIME')[1]), 0, {''}
local all, is_late = redis.call('HGETALL', key), false
for i = 1, #all, 2 do
  if all[i] == 'version' then
    version = tonumber(all[i + 1])
  elseif now - tonumber(all[i + 1]) > tonumber(ARGV[1]) then
    redis.call('HDEL', key, all[i])
    is_late = true
  else
    found[#found + 1] = all[i]
  end
end
if is_late then version = redis.call('HINCRBY', key, 'version', 1) end
found[1] = tostring(version)
return found
"""
# ARGV: the id, the version that it follows, 1 to begin only where nothing else is under way. 1 if it began.
BEGIN: Final = b"""
local key = KEYS[#KEYS]
if redis.call('HEXISTS', key, ARGV[1]) == 1 then return 1 end
if tonumber(redis.call('HGET', key, 'version') or 0) ~= tonumber(ARGV[2]) then return 0 end
if ARGV[3] == '1' and redis.call('HLEN', key) > 1 then return 0 end
redis.call('HSET', key, 'version', ARGV[2] + 1, ARGV[1], redis.call('TIME')[1])
return 1
"""
# ARGV: the id.
END: Final = b"return redis.call('HDEL', KEYS[#KEYS], ARGV[1])"

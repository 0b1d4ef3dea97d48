"""Scripts on who mints codes for a link's recipients: of several programs, one after the other.

`mints:<number>` is a hash. Its field `version` counts what began; each other field is the id of what is under
way, with Redis's time in seconds when its program last said so, or 0 once it is void. Invariants:

1. Who mints reads the version, waits until nothing is under way, looks into the catalogue, and begins only at
   the version that was read. So nobody can have minted since for whom it looked.
2. What began is under way until its codes are in the catalogue; its repeat, by whoever applies the event
   again, goes on.
3. What nobody said for `MINT_LEASE_S` to go on is void: its repeat begins no more, it does not end well, and
   nobody is told of its codes unless another look-up finds them.
4. What is void is forgotten, and the version goes up, only after its token was used up in the catalogue: its
   codes are in there by then, or never will be.

So how long anybody pauses, and where, decides who waits, and never how many codes somebody gets.

KEYS: the link's hash is the last.
"""

from typing import Final

MINT_LEASE_S: Final = 5
MINT_RENEWAL_S: Final = 1

# ARGV: `MINT_LEASE_S`. The version, the ids of what is under way, and of what is void.
READ: Final = b"""
local key, now, version, under_way, void = KEYS[#KEYS], tonumber(redis.call('TIME')[1]), '0', {}, {}
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if all[i] == 'version' then
    version = all[i + 1]
  elseif now - tonumber(all[i + 1]) > tonumber(ARGV[1]) then
    redis.call('HSET', key, all[i], 0)
    void[#void + 1] = all[i]
  else
    under_way[#under_way + 1] = all[i]
  end
end
return {version, under_way, void}
"""
# ARGV: the id, the version that it follows, 1 to begin only where nothing else is under way. 1 if it began.
BEGIN: Final = b"""
local key, said = KEYS[#KEYS], redis.call('HGET', KEYS[#KEYS], ARGV[1])
if said == '0' then return 0 end
if not said then
  if tonumber(redis.call('HGET', key, 'version') or 0) ~= tonumber(ARGV[2]) then return 0 end
  if ARGV[3] == '1' and redis.call('HLEN', key) > 1 then return 0 end
  redis.call('HSET', key, 'version', ARGV[2] + 1)
end
redis.call('HSET', key, ARGV[1], redis.call('TIME')[1])
return 1
"""
# ARGV: the id. 1 if it was under way.
END: Final = b"""
if redis.call('HGET', KEYS[#KEYS], ARGV[1]) == '0' then return 0 end
return redis.call('HDEL', KEYS[#KEYS], ARGV[1])
"""
# ARGV: the id.
FORGET_VOID: Final = b"""
if redis.call('HGET', KEYS[#KEYS], ARGV[1]) ~= '0' then return end
redis.call('HDEL', KEYS[#KEYS], ARGV[1])
redis.call('HINCRBY', KEYS[#KEYS], 'version', 1)
"""

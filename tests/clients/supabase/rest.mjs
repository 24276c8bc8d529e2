// REST and our functions, as the official client calls them.

import { randomUUID } from 'node:crypto'
import { check } from './checks.mjs'

const hash = (byte) => `\\x${byte.repeat(32)}`

export const request = (fields) => ({
  id: randomUUID(),
  created_at: '2026-11-23T12:00:00Z',
  status: 'completed',
  prompt_sha256: hash('07'),
  quality: 'balanced',
  strategy: 'complexity',
  reason: 'a test',
  source: 'provider',
  provider: 'anthropic',
  model: 'm',
  cost_pico: 500,
  tags: ['a', 'b'],
  ...fields,
})

export async function rest({ PostgrestClient }, stack, session) {
  const client = (token) =>
    new PostgrestClient(`${stack.url}/rest/v1`, { headers: { apikey: stack.anon_key, Authorization: `Bearer ${token}` } })
  const me = client(session.access_token)

  const version = await me.rpc('schema_version')
  check('the version of the schema can be asked for', version.data >= 5, version)
  const embedding = Array.from({ length: 384 }, (_, place) => (place === 0 ? 1 : 0))
  const record = request({})
  const bought = {
    id: randomUUID(), scope_hash: hash('01'), prompt_sha256: hash('07'), embedder_fingerprint: 'f', embedding,
    response_text: 'an answer', provider: 'anthropic', model: 'm', finish_reason: 'stop', request_id: record.id,
    created_at: '2026-11-23T12:00:00Z', expires_at: '2099-11-23T12:00:00Z',
  }
  const first = await me.rpc('record_request', { request: record, bought })
  const second = await me.rpc('record_request', { request: record, bought })
  check('a request is recorded once', first.data === true && second.data === false, [first, second])
  const scope = { scope_hash: hash('01'), embedder_fingerprint: 'f' }
  const found = await me.rpc('match_cache_entries', { query_embedding: embedding, match_threshold: 0.9, match_count: 5, ...scope })
  check('its answer is found nearby', found.data?.length === 1 && found.data[0].response_text === 'an answer', found)
  const exact = await me.rpc('find_cache_entry', { scope_hash: hash('01'), prompt_sha256: hash('07') })
  check('and exactly', exact.data?.[0]?.id === bought.id, exact)
  const rows = await me.from('requests').select('id, tags').eq('id', record.id)
  check('rows can be read', rows.data?.[0]?.tags.length === 2, rows)
  const report = await me.rpc('cost_report', { group_by: 'tag' })
  check('a report is one object', report.data?.totals.requests === 1 && report.data.groups.length === 2, report)

  const wrong = await me.rpc('match_cache_entries', { query_embedding: [1, 2], match_threshold: 0.9, match_count: 5, ...scope })
  check('a vector of another length is told by its SQLSTATE', wrong.error?.code === '22000', wrong)
  const unknown = await me.rpc('rate_response', { request_id: randomUUID(), score: 1 })
  check('an unknown request is 404', unknown.error?.code === 'PT404' && unknown.status === 404, unknown)
  const nobody = await client(stack.anon_key).from('requests').select('id')
  check('nobody sees nothing', nobody.error?.code === '42501', nobody)
  const forged = await client(session.access_token.slice(0, -4) + 'AAAA').from('requests').select('id')
  check('a forged token is told by its code', /^PGRST30/.test(forged.error?.code), forged)
  const keyless = await fetch(`${stack.url}/rest/v1/requests`)
  check('without the key there is no way in', keyless.status === 401, keyless.status)

  const times = []
  for (let round = 0; round < 200; round += 1) {
    const began = performance.now()
    await me.rpc('find_cache_entry', { scope_hash: hash('01'), prompt_sha256: hash('07') })
    times.push(performance.now() - began)
  }
  times.sort((left, right) => left - right)
  console.log(`find_cache_entry by REST: p50 ${times[100].toFixed(1)} ms, p95 ${times[190].toFixed(1)} ms`)
}

// The stub of Realtime, judged by the official client.

import { check, until } from './checks.mjs'
import { request } from './rest.mjs'

export async function realtime({ RealtimeClient, PostgrestClient, GoTrueClient, transport }, stack, session) {
  const { email, password } = stack.users[1]
  const headers = { apikey: stack.anon_key }
  const signIn = new GoTrueClient({ url: `${stack.url}/auth/v1`, headers, persistSession: false, autoRefreshToken: false, storageKey: 'b' })
  const other = (await signIn.signInWithPassword({ email, password })).data.session
  const rest = (token) =>
    new PostgrestClient(`${stack.url}/rest/v1`, { headers: { ...headers, Authorization: `Bearer ${token}` } })

  for (const vsn of ['1.0.0', '2.0.0']) {
    const listen = async (token, filter) => {
      const client = new RealtimeClient(`${stack.url.replace('http', 'ws')}/realtime/v1`, {
        params: { apikey: stack.anon_key }, vsn, transport,
      })
      if (token) await client.setAuth(token)
      const heard = { changes: [], system: [], status: '', client }
      const table = { event: '*', schema: 'public', table: 'routing_metrics', ...filter }
      const channel = client
        .channel('metrics')
        .on('postgres_changes', table, (change) => heard.changes.push(change))
        .on('system', {}, (message) => heard.system.push(message))
        .subscribe((status) => (heard.status = status))
      await until(() => heard.status !== '' && (heard.status !== 'SUBSCRIBED' || heard.system.length > 0))
      return { ...heard, channel, heard }
    }
    const mine = await listen(session.access_token, { filter: `user_id=eq.${session.user.id}` })
    check(`${vsn}: a signed-in user can subscribe`, mine.heard.status === 'SUBSCRIBED' && mine.system[0]?.status === 'ok', mine.heard.status)
    const theirs = await listen(other.access_token)
    const nobodys = await listen(null)

    await rest(session.access_token).rpc('record_request', { request: request({ model: vsn }) })
    check(`${vsn}: a line comes live`, await until(() => mine.changes.length === 1), mine.changes)
    const change = mine.changes[0]
    check(`${vsn}: with its numbers`, change?.eventType === 'INSERT' && change.new.cost_pico === 500 && change.new.model === vsn, change)
    await rest(other.access_token).rpc('record_request', { request: request({}) })
    check(`${vsn}: another user hears of their own`, await until(() => theirs.changes.length === 1), theirs.changes)
    check(`${vsn}: and nobody of others`, mine.changes.length === 1 && nobodys.changes.length === 0, nobodys.changes)

    await rest(session.access_token).from('routing_metrics').delete().eq('id', change?.new.id)
    check(`${vsn}: everybody hears the key of a deleted line`, await until(() => theirs.changes.length === 2 && nobodys.changes.length === 1), theirs.changes)
    const gone = nobodys.changes[0]
    check(`${vsn}: and nothing but the key`, gone?.eventType === 'DELETE' && Object.keys(gone.old).join() === 'id', gone)

    const closed = await listen(session.access_token, { table: 'requests' })
    check(`${vsn}: a table that is not published is refused`, closed.system[0]?.status === 'error', closed.system)
    for (const { client } of [mine, theirs, nobodys, closed]) await client.disconnect()
  }
}

/** With tokens that last two seconds. */
export async function expiry({ RealtimeClient, GoTrueClient, transport }, stack) {
  const headers = { apikey: stack.anon_key }
  const auth = new GoTrueClient({ url: `${stack.url}/auth/v1`, headers, persistSession: false, autoRefreshToken: false, storageKey: 'e' })
  const { email, password } = stack.users[0]
  const { access_token: token } = (await auth.signInWithPassword({ email, password })).data.session
  const client = new RealtimeClient(`${stack.url.replace('http', 'ws')}/realtime/v1`, { params: { apikey: stack.anon_key }, transport })
  await client.setAuth(token)
  const told = []
  const statuses = []
  client
    .channel('metrics')
    .on('postgres_changes', { event: '*', schema: 'public', table: 'routing_metrics' }, () => {})
    .on('system', {}, (message) => told.push(message.message))
    .subscribe((status) => statuses.push(status))
  const isTold = await until(() => told.some((message) => /Token has expired/.test(message)) && statuses.includes('CLOSED'))
  check('an expired token closes its channel and says so', isTold, [told, statuses])
  const late = client.channel('late').on('postgres_changes', { event: '*', schema: 'public', table: 'routing_metrics' }, () => {})
  let problem = ''
  late.subscribe((status, error) => (problem = `${status} ${error?.message}`))
  await until(() => problem !== '')
  check('and joins nothing', /CHANNEL_ERROR.*InvalidJWTExpiration/.test(problem), problem)
  await client.disconnect()
}

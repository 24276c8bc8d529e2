// The stub of Auth, judged by the official client.

import { check } from './checks.mjs'

export async function auth({ GoTrueClient }, stack) {
  const client = (storageKey) =>
    new GoTrueClient({
      url: `${stack.url}/auth/v1`,
      headers: { apikey: stack.anon_key },
      autoRefreshToken: false,
      persistSession: false,
      storageKey,
    })
  const { email, password, id } = stack.users[0]
  const one = client('one')

  const wrong = await one.signInWithPassword({ email, password: 'wrong' })
  check('a wrong password is told by its code', wrong.error?.code === 'invalid_credentials', wrong)
  check('and by its status', wrong.error?.status === 400, wrong)

  const { data, error } = await one.signInWithPassword({ email, password })
  check('signing in gives a session of the user', !error && data.user.id === id && data.session.expires_in > 0, error)
  const first = data.session
  const user = await one.getUser()
  check('the user can be asked for', user.data.user?.email === email, user)
  const claims = await one.getClaims()
  check('the token verifies by the published keys', claims.data?.claims.sub === id, claims)
  check('its claims are those of Auth', claims.data?.claims.aud === 'authenticated' && claims.data.claims.aal === 'aal1', claims)

  const second = (await one.refreshSession({ refresh_token: first.refresh_token })).data.session
  check('a refresh gives another token', second && second.refresh_token !== first.refresh_token, second)
  const again = (await client('again').refreshSession({ refresh_token: first.refresh_token })).data.session
  check('the parent of the newest is answered with the newest', again?.refresh_token === second.refresh_token, again)
  const third = (await one.refreshSession({ refresh_token: second.refresh_token })).data.session
  const early = (await client('early').refreshSession({ refresh_token: first.refresh_token })).data.session
  check('an older one within ten seconds, too', early?.refresh_token === third.refresh_token, early)
  const unknown = await client('unknown').refreshSession({ refresh_token: 'nonsense' })
  check('an unknown token is told by its code', unknown.error?.code === 'refresh_token_not_found', unknown)

  await new Promise((resolve) => setTimeout(resolve, 10_500))
  const stolen = await client('stolen').refreshSession({ refresh_token: first.refresh_token })
  check('an older one later is taken for stolen', stolen.error?.code === 'refresh_token_already_used', stolen)
  const family = await client('family').refreshSession({ refresh_token: third.refresh_token })
  check('and ends its family', family.error?.code === 'refresh_token_not_found', family)

  const old = await fetch(`${stack.url}/auth/v1/token?grant_type=password`, {
    method: 'POST',
    headers: { apikey: stack.anon_key },
    body: JSON.stringify({ email, password: 'wrong' }),
  })
  const body = await old.json()
  check('without a version the error has its older form', body.error_code === 'invalid_credentials' && body.code === 400, body)

  const two = client('two')
  const ended = (await two.signInWithPassword({ email, password })).data.session
  const out = await two.signOut()
  check('signing out is answered', !out.error, out)
  const gone = await client('gone').refreshSession({ refresh_token: ended.refresh_token })
  check('and ends the session', gone.error?.code === 'refresh_token_not_found', gone)
  return (await client('last').signInWithPassword({ email, password })).data.session
}

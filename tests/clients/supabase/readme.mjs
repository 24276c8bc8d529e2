// The README's script for other clients, run as it stands there.

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { check, until } from './checks.mjs'
import { request } from './rest.mjs'

const README = new URL('../../../README.md', import.meta.url)

export async function readme({ PostgrestClient }, stack, session, modules) {
  const block = readFileSync(README, 'utf8').match(/```js\n(import [^]*?)```/)
  check('the README has a script for other clients', block !== null, 'no block')
  if (block === null) return
  const script = join(modules, 'readme.mjs')
  // Browsers and Node 22 have a WebSocket of their own.
  const socket = "import ws from 'ws'\nglobalThis.WebSocket ??= ws\n"
  writeFileSync(script, socket + block[1])
  const { email, password } = stack.users[0]
  const env = { PATH: process.env.PATH, NO_PROXY: '*', SUPABASE_URL: stack.url, SUPABASE_ANON_KEY: stack.anon_key, EMAIL: email, PASSWORD: password }
  const child = spawn(process.execPath, [script], { env })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data))
  const headers = { apikey: stack.anon_key, Authorization: `Bearer ${session.access_token}` }
  const rest = new PostgrestClient(`${stack.url}/rest/v1`, { headers })
  check('it says what was', await until(() => /requests/.test(said)), said)
  // Rows that come before it listens are not told.
  const isTold = await until(async () => {
    await rest.rpc('record_request', { request: request({ model: 'told-by-the-readme' }) })
    return said.includes('told-by-the-readme')
  })
  check('it says what comes', isTold, said)
  child.kill()
}

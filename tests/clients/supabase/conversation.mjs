// The test stack in conversation with Supabase's own clients: `node conversation.mjs STACK FOLDER_OF_NODE_MODULES`.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { auth } from './auth.mjs'
import { check, finish, start } from './checks.mjs'
import { readme } from './readme.mjs'
import { expiry, realtime } from './realtime.mjs'
import { rest } from './rest.mjs'

const [program, modules] = process.argv.slice(2)
const require = createRequire(join(modules, 'node_modules', 'here.js'))
const { GoTrueClient } = require('@supabase/auth-js')
const { PostgrestClient } = require('@supabase/postgrest-js')
const { RealtimeClient } = require('@supabase/realtime-js')
const transport = require('ws')
const clients = { GoTrueClient, PostgrestClient, RealtimeClient, transport }

for (const [options, parts] of [
  [[], async (stack) => {
    const session = await auth(clients, stack)
    await rest(clients, stack, session)
    await realtime(clients, stack, session)
    await readme(clients, stack, session, modules)
  }],
  [['--hs256', '--token-seconds', '2'], (stack) => expiry(clients, stack)],
]) {
  const stack = await start(program, ...options)
  try {
    await parts(stack)
  } catch (error) {
    check(`the conversation goes on (${options.join(' ')})`, false, error.stack)
  }
  stack.end()
}
finish()

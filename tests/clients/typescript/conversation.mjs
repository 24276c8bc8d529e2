// The official TypeScript client talks to the real program: `node conversation.mjs PROGRAM FOLDER_OF_NODE_MODULES`.
//
// Each claim is a line `ok - …` or `not ok - …`.

import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { check, finish } from '../supabase/checks.mjs'
import { asking, logging, stopping, subscribing } from './events.mjs'
import { greeting, lists } from './lists.mjs'
import { ERAS, Home } from './session.mjs'
import { tools } from './tools.mjs'
import { waiting } from './waiting.mjs'

const [program, modules] = process.argv.slice(2).map((path) => resolve(path))
const require = createRequire(join(modules, 'node_modules', 'here.js'))
const load = (name) => import(pathToFileURL(require.resolve(name)))

/** Notes what the client's library says of what it is given, such as formats that its validator does not know. */
const warnings = []
for (const level of ['warn', 'error']) {
  console[level] = (...words) => warnings.push(words.join(' '))
}
process.on('warning', (warning) => warnings.push(String(warning)))

async function simulated(home) {
  const session = await home.open()
  await greeting(session)
  await tools(session)
  await lists(session)
  await session.close('simulated')
}

async function converse(folder) {
  const { Client } = await load('@modelcontextprotocol/client')
  const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio')
  const sdk = { Client, StdioClientTransport }
  await Promise.all(ERAS.map((era) => inEra(era, { sdk, program, folder: join(folder, era) })))
}

/** Each part has a folder of its own, and goes on where another one broke. */
async function inEra(era, { sdk, program, folder }) {
  for (const part of [simulated, logging, subscribing, stopping, asking, waiting]) {
    const home = new Home({ sdk, program, era, folder: join(folder, part.name) })
    try {
      await part(home)
    } catch (error) {
      check(`${era}: ${part.name} runs to its end`, false, error.stack)
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), 'typescript client '))
try {
  await converse(folder)
} catch (error) {
  check('the conversation goes on', false, error.stack)
}
check('the client has nothing to say against schemas or messages', warnings.length === 0, warnings)
rmSync(folder, { recursive: true, force: true })
finish()

// The official conformance suite against `serve --http`: `node conversation.mjs PROGRAM FOLDER_OF_NODE_MODULES`.
//
// The suite sends no token, so a gate before the server adds one; it changes nothing else but the port in Host and
// Origin. Scenarios that need tools, prompts or resources of the suite's own names (test_simple_text and the like; for
// completion-complete the prompt test_prompt_with_arguments) are left out.
// Each claim is a line `ok - …` or `not ok - …`.

import { execFile, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { check, finish } from '../supabase/checks.mjs'

const [program, modules] = process.argv.slice(2)
const SUITE = join(modules, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
const SECRET = 'a secret of this conversation, long enough'.replaceAll(' ', '-')
const VERSION = '2025-11-25'
const SCENARIOS = [
  'server-initialize',
  'ping',
  'tools-list',
  'resources-list',
  'prompts-list',
  'logging-set-level',
  'server-sse-multiple-streams',
  'dns-rebinding-protection',
]

/** Signs a user's token. */
function token() {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    sub: '5a3b6f0e-0000-4000-8000-00000000000a',
    aud: 'authenticated',
    role: 'authenticated',
    exp: Math.floor(Date.now() / 1000) + 3600,
  }
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

/** Starts the program; resolves to its port. */
async function start(folder) {
  const child = spawn(program, ['--simulate', 'serve', '--http', '127.0.0.1:0'], {
    env: {
      HOME: folder,
      COST_OPTIMIZER_DATA_DIR: folder,
      COST_OPTIMIZER_CONFIG: '/dev/null',
      EMBEDDING_MODEL_PATH: join(folder, 'no-model'),
      HTTP_ALLOWED_USERS: '*',
      SUPABASE_JWT_SECRET: SECRET,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  for await (const line of createInterface({ input: child.stderr })) {
    const port = /serving over HTTP address=127\.0\.0\.1:(\d+)/.exec(line)?.[1]
    if (port !== undefined) {
      child.stderr.resume()
      return { child, port: Number(port) }
    }
  }
  throw new Error('the server did not start')
}

/** Opens a gate that adds the token; resolves to it. */
function gate(port) {
  const bearer = token()
  const server = createServer((incoming, outgoing) => {
    const own = `:${server.address().port}`
    const headers = Object.fromEntries(
      Object.entries(incoming.headers).map(([name, value]) => [
        name,
        name === 'host' || name === 'origin' ? String(value).replace(own, `:${port}`) : value,
      ]),
    )
    const { method, url: path } = incoming
    const passed = request({ host: '127.0.0.1', port, method, path, headers: { ...headers, authorization: `Bearer ${bearer}` } })
    passed.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => outgoing.destroy())
    outgoing.on('close', () => passed.destroy())
    incoming.pipe(passed)
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

function run(scenario, url) {
  const args = [SUITE, 'server', '--url', url, '--scenario', scenario, '--spec-version', VERSION]
  return new Promise((resolve) =>
    execFile(process.execPath, args, { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, text: stdout + stderr }),
    ),
  )
}

const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
const { child, port } = await start(folder)
const opened = await gate(port)
try {
  const url = `http://127.0.0.1:${opened.address().port}/mcp`
  for (const scenario of SCENARIOS) {
    const { code, text } = await run(scenario, url)
    const [, passes = 0, , failures = 0] = /Passed: (\d+)\/(\d+), (\d+) failed/.exec(text) ?? []
    const isGood = code === 0 && Number(passes) > 0 && Number(failures) === 0
    check(`conformance ${scenario} of ${VERSION} passes over HTTP`, isGood, text.slice(-1_500))
  }
} finally {
  child.kill()
  opened.closeAllConnections()
  opened.close()
  rmSync(folder, { recursive: true, force: true })
}
finish()

// The bundle as Claude Desktop takes it: `node bundle.mjs PROGRAM FOLDER_OF_NODE_MODULES OUT.mcpb`.
//
// It is built, looked at, unpacked, and started as the official code says from what a user filled in. Each claim is a line
// `ok - …` or `not ok - …`.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve, sep } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, manifestFor, mcpb, places } from '../../packaging/mcpb/build.mjs'
import { check, finish } from '../clients/supabase/checks.mjs'

const [program, modules, out] = process.argv.slice(2)
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const official = resolve(modules, 'node_modules', '@anthropic-ai', 'mcpb', 'dist', 'node.js')
const { getMcpConfigForManifest } = await import(pathToFileURL(official))
const whole = JSON.parse(readFileSync(join(root, 'packaging', 'mcpb', 'manifest.json'), 'utf8'))
const KEY = 'sk-ant-canary-4711'

const digest = (path) => createHash('sha256').update(readFileSync(path)).digest('hex')

/** Asks for a host's configuration of the server, as if on a platform. */
async function configured(platform, manifest, extensionPath, userConfig) {
  const here = Object.getOwnPropertyDescriptor(process, 'platform')
  Object.defineProperty(process, 'platform', { ...here, value: platform })
  try {
    return await getMcpConfigForManifest({ manifest, extensionPath, systemDirs: {}, userConfig, pathSeparator: sep })
  } finally {
    Object.defineProperty(process, 'platform', here)
  }
}

/** Starts the program, shakes hands, and gives what it says of itself with the names of its tools. */
async function greeted({ command, args, env }, home) {
  const child = spawn(command, args, { cwd: '/', env: { HOME: home, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const limit = setTimeout(() => child.kill('SIGKILL'), 30_000)
  const say = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  const heard = async () => JSON.parse((await lines.next()).value ?? '{}')
  say({
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'claude-ai', version: '0' } },
  })
  const { result: greeting } = await heard()
  say({ method: 'notifications/initialized' })
  say({ id: 2, method: 'tools/list' })
  const { result: listed } = await heard()
  say({ id: 3, method: 'tools/call', params: { name: 'route_prompt', arguments: { prompt: 'Hello?', dry_run: true } } })
  const { result: planned } = await heard()
  child.stdin.end()
  const [code] = await new Promise((done) => child.on('exit', (...how) => done(how)))
  clearTimeout(limit)
  return { greeting, tools: listed?.tools?.map(({ name }) => name), planned, code }
}

function checkManifest(folder) {
  const valid = mcpb(modules, 'validate', join(root, 'packaging', 'mcpb', 'manifest.json'))
  check('the manifest is valid', valid.status === 0, valid)
  const broken = join(folder, 'manifest.json')
  const { ollama_host, ...others } = whole.user_config
  for (const [what, manifest] of [
    ['of another type', { ...whole, server: { ...whole.server, type: 'rust' } }],
    ['with a field without a title', { ...whole, user_config: { ...others, ollama_host: { type: 'string' } } }],
    ['without an author', { ...whole, author: undefined }],
  ]) {
    writeFileSync(broken, JSON.stringify(manifest))
    const { status } = mcpb(modules, 'validate', broken)
    check(`a manifest ${what} would not be`, status !== 0, status)
  }
  const wanted = { linux: 'server/linux/ai-cost-optimizer', darwin: 'server/darwin/ai-cost-optimizer', win32: 'server/win32/ai-cost-optimizer.exe' }
  check('each platform has its program', JSON.stringify(places(whole)) === JSON.stringify(wanted), places(whole))
}

async function checkOverrides() {
  for (const platform of ['linux', 'darwin', 'win32']) {
    const { command } = await configured(platform, whole, '/x y', {})
    check(`${platform} starts its program`, command === `/x y/${places(whole)[platform]}`, command)
    const alone = manifestFor(whole, [platform])
    const own = await configured(platform, alone, '/x', {})
    check(`a bundle for ${platform} alone starts it too`, own.command === `/x/${alone.server.entry_point}`, own)
  }
}

async function checkStart(folder, manifest, unpacked) {
  const unset = await configured('linux', manifest, unpacked, {})
  const empty = Object.fromEntries(Object.keys(whole.user_config).map((key) => [key, '']))
  const blank = await configured('linux', manifest, unpacked, empty)
  const filled = await configured('linux', manifest, unpacked, {
    anthropic_api_key: KEY,
    daily_budget_usd: 2.5,
    data_dir: join(folder, 'data'),
  })
  check('what a user fills in becomes variables', filled.env.ANTHROPIC_API_KEY === KEY && filled.env.DAILY_BUDGET_USD === '2.5', filled.env)
  const offered = [...whole.tools.map(({ name }) => name)].sort()
  for (const [what, config] of [['nothing', unset], ['empty fields', blank], ['a key and a budget', filled]]) {
    const { greeting, tools, planned, code } = await greeted(config, join(folder, 'home'))
    const server = greeting?.serverInfo
    check(`with ${what} filled in it greets`, server?.name === manifest.name && server?.version === manifest.version, server)
    check(`with ${what} filled in it has the manifest's tools`, JSON.stringify(tools?.sort()) === JSON.stringify(offered), tools)
    const plan = planned?.structuredContent
    check(`with ${what} filled in it plans a request`, plan?.source === 'plan' && planned.isError !== true, planned)
    check(`with ${what} filled in it ends well`, code === 0, code)
    if (config === filled) {
      const providers = new Set(plan?.candidates?.map(({ provider }) => provider))
      check('the key configures its provider', providers.size === 1 && providers.has('anthropic'), [...providers])
    }
  }
  check('the data folder is used', readdirSync(join(folder, 'data')).includes('optimizer.sqlite3'), readdirSync(folder))
}

const folder = mkdtempSync(join(tmpdir(), 'bundle-'))
try {
  checkManifest(folder)
  await checkOverrides()
  const manifest = build(out, modules, { linux: program })
  const info = mcpb(modules, 'info', out)
  check('the bundle can be looked at', info.status === 0 && info.output.includes('ai-cost-optimizer.mcpb'), info)
  const unpacked = join(folder, 'un packed')
  const { status, output } = mcpb(modules, 'unpack', out, unpacked)
  check('the bundle can be unpacked', status === 0, output)
  const files = readdirSync(unpacked, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const names = files.map(({ name }) => name).sort()
  const wanted = ['LICENSE', 'ai-cost-optimizer', 'icon.png', 'manifest.json']
  check('nothing else is in it', JSON.stringify(names) === JSON.stringify(wanted), names)
  const inside = join(unpacked, manifest.server.entry_point)
  check('the program is in it whole', digest(inside) === digest(program), inside)
  check('the program may be run', (statSync(inside).mode & 0o111) === 0o111, statSync(inside).mode)
  await checkStart(folder, manifest, unpacked)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
finish()

// The program under test, through the official client: with requests, a limit and an experiment to show.

import { check } from '../supabase/checks.mjs'

export const PAGE_URI = 'ui://ai-cost-optimizer/dashboard.html'
export const TYPE = 'text/html;profile=mcp-app'
export const EXTRA = 'ai-cost-optimizer/dashboard'
const CALL_MS = 60_000

const EXPERIMENT = {
  name: 'dearer',
  metric: 'cost_usd',
  arms: [
    { name: 'now', model: 'anthropic/claude-haiku-5-5' },
    { name: 'dear', model: 'anthropic/claude-opus-5-5' },
  ],
  max_requests: 1_000,
}
// Enough for 30 in each arm, whatever chance does.
const EXPERIMENT_REQUESTS = 140
const REQUESTS = 12

/** Starts the program; resolves to a connected client. */
export async function serve({ Client, StdioClientTransport }, program, env) {
  const transport = new StdioClientTransport({ command: program, args: ['--simulate'], env, stderr: 'ignore' })
  const extensions = { 'io.modelcontextprotocol/ui': { mimeTypes: [TYPE] } }
  const client = new Client({ name: 'app-test', version: '1.0.0' }, { capabilities: { extensions } })
  await client.connect(transport)
  return client
}

export function call(client, name, args) {
  return client.callTool({ name, arguments: args }, { timeout: CALL_MS })
}

/** Makes some of everything that the page shows. */
export async function spend(client) {
  const route = (prompt, more) => call(client, 'route_prompt', { prompt, ...more })
  // Each of the half that comes second is answered from the cache.
  for (let place = 0; place < REQUESTS; place += 1) {
    await route(`Explain the number ${place % (REQUESTS / 2)} to a child`, { tags: ['numbers'] })
  }
  await call(client, 'set_budget', { period: 'month', limit_usd: 5, on_breach: 'warn' })
  await call(client, 'set_budget', { period: 'day', limit_usd: 0.001, on_breach: 'warn', tag: 'numbers' })
  await call(client, 'start_experiment', EXPERIMENT)
  for (let place = 0; place < EXPERIMENT_REQUESTS; place += 1) {
    await route(`question ${place} of the experiment`, { cache: 'off' })
  }
}

/** Checks what a host looks for; gives the page. */
export async function offered(client) {
  const { tools } = await client.listTools()
  const tool = tools.find(({ name }) => name === 'cost_report')
  check('the tool names its page', tool?._meta?.ui?.resourceUri === PAGE_URI, tool?._meta)
  check('the tool names its page for older hosts too', tool?._meta?.['ui/resourceUri'] === PAGE_URI, tool?._meta)
  const visibility = tool?._meta?.ui?.visibility
  check('the page may call the tool', visibility === undefined || visibility.includes('app'), visibility)
  const { resources } = await client.listResources()
  const listed = resources.find(({ uri }) => uri === PAGE_URI)
  check('the page is listed with its type', listed?.mimeType === TYPE, listed)
  const { contents } = await client.readResource({ uri: PAGE_URI })
  const [content] = contents
  check(
    'there is one page',
    contents.length === 1 && content.uri === PAGE_URI,
    contents.map(({ uri }) => uri),
  )
  check('the page has its type', content.mimeType === TYPE, content.mimeType)
  const csp = content._meta?.ui?.csp
  const origins = Object.values(csp ?? {}).flat()
  check('the page asks for no origin', content._meta?.ui !== undefined && origins.length === 0, content._meta)
  const bytes = Buffer.byteLength(content.text)
  check('the page is smaller than 60 KB', bytes < 60_000, bytes)
  const isOpen = /\/\*(STYLE|SCRIPT|DATA)\*\//.test(content.text)
  check('the page is complete', content.text.startsWith('<!doctype html>') && !isOpen, content.text.slice(0, 80))
  return content.text
}

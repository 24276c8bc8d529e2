// The Inspector asks the real program: `node conversation.mjs PROGRAM FOLDER_OF_NODE_MODULES`.
//
// Each claim is a line `ok - …` or `not ok - …`; what it measures is shown, and proves nothing.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { finish } from '../supabase/checks.mjs'
import { EXIT, Inspector } from './inspector.mjs'

const ERAS = ['legacy', 'modern', 'auto']
const PAGE = 'ui://ai-cost-optimizer/dashboard.html'
const APP_TOOL = 'cost_report'
const LOAD = ['--load', '--load-requests', '200', '--load-concurrency', '20']

const EXPERIMENT = {
  name: 'inspected',
  metric: 'cost_usd',
  arms: [
    { name: 'now', quality: 'economy' },
    { name: 'dear', quality: 'best' },
  ],
  max_requests: 100,
}

/** Good arguments of each tool, in the order of the calls; and the result of the first, which others name. */
const CALLS = {
  route_prompt: () => ({ prompt: 'What is the capital of France?' }),
  rate_response: ({ request_id }) => ({ request_id, verdict: 'good' }),
  cost_report: () => ({ period: 'all', group_by: 'model' }),
  set_budget: () => ({ period: 'month', limit_usd: 100, on_breach: 'warn' }),
  start_experiment: () => EXPERIMENT,
  experiment_report: () => ({ name: EXPERIMENT.name }),
  stop_experiment: () => ({ name: EXPERIMENT.name, adopt: 'now' }),
  forget_cache: () => ({ all: true }),
}

async function tools(inspector) {
  const listed = await inspector.ask('tools/list', '--strict')
  const names = (listed.result?.tools ?? []).map(({ name }) => name)
  const findings = listed.schemaFindings ?? listed.stderr
  inspector.check(
    'no schema is one that a model or a client stumbles over',
    listed.code === EXIT.good && findings.length === 0,
    findings,
  )
  inspector.check(
    'each tool is called here, and there',
    names.toSorted().join() === Object.keys(CALLS).toSorted().join(),
    names,
  )
  let routed = {}
  for (const [name, args] of Object.entries(CALLS)) {
    const { structuredContent } = await inspector.answered(`${name} is answered`, inspector.call(name, args(routed)))
    inspector.check(`${name} has a result for programs`, structuredContent !== undefined, structuredContent)
    if (name === 'route_prompt') routed = structuredContent ?? {}
    const { code, result, stderr } = await inspector.call(name, { ...args(routed), no_such: 1 })
    const text = result?.content?.[0]?.text
    inspector.check(
      `${name} refuses what it does not know, by name`,
      code === EXIT.toolError && text?.includes('no_such'),
      { code, text, stderr },
    )
  }
  const words = ['--tool-arg', 'prompt=Hi', 'max_output_tokens=16', 'dry_run=true', 'temperature=0.1']
  const plan = await inspector.answered(
    'arguments from a form are taken',
    inspector.ask('tools/call', '--tool-name', 'route_prompt', ...words),
  )
  inspector.check('which is a plan', plan.structuredContent?.source === 'plan', plan)
  const unknown = await inspector.call('no_such_tool', {})
  inspector.check('an unknown tool is none', unknown.code === EXIT.toolError, unknown)
  return { name: EXPERIMENT.name, request_id: routed.request_id }
}

async function resources(inspector, known) {
  const { resources: listed = [] } = await inspector.answered('resources are listed', inspector.ask('resources/list'))
  inspector.check(
    'the page is one of them',
    listed.some(({ uri }) => uri === PAGE),
    listed,
  )
  const templates = await inspector.answered('templates are listed', inspector.ask('resources/templates/list'))
  const filled = (templates.resourceTemplates ?? []).map(({ uriTemplate }) =>
    uriTemplate.replaceAll(/\{(\w+)\}/g, (_, name) => known[name]),
  )
  for (const uri of [...listed.map((each) => each.uri), ...filled]) {
    const { contents = [] } = await inspector.answered(`${uri} is read`, inspector.ask('resources/read', '--uri', uri))
    inspector.check(`${uri} has contents`, contents.length === 1 && contents[0].text !== '', contents)
  }
  const unknown = await inspector.ask('resources/read', '--uri', 'metrics://weather')
  inspector.check(
    'an unknown resource is an error',
    unknown.code === EXIT.refused && unknown.stderr.includes('not found'),
    unknown,
  )
}

async function prompts(inspector) {
  const { prompts: listed = [] } = await inspector.answered('prompts are listed', inspector.ask('prompts/list'))
  for (const { name, arguments: args = [] } of listed) {
    const values = args.filter((each) => each.required).map((each) => `${each.name}=30d`)
    const given = values.length > 0 ? ['--prompt-args', ...values] : []
    const { messages = [] } = await inspector.answered(
      `the prompt ${name} is got`,
      inspector.ask('prompts/get', '--prompt-name', name, ...given),
    )
    inspector.check(`the prompt ${name} has messages`, messages.length > 0, messages)
  }
}

async function app(inspector) {
  const { code, appInfo = {}, stderr } = await inspector.ask('tools/call', '--tool-name', APP_TOOL, '--app-info')
  inspector.check('the report has an app', code === EXIT.good && appInfo.resourceUri === PAGE, {
    code,
    appInfo,
    stderr,
  })
  const origins = Object.values(appInfo.csp ?? {}).flat()
  inspector.check('the app asks for no origin', appInfo.csp !== undefined && origins.length === 0, appInfo.csp)
  const other = await inspector.ask('tools/call', '--tool-name', 'set_budget', '--app-info')
  inspector.check('another tool has none', other.code === EXIT.noApp, other)
}

async function logging(inspector) {
  const { code, stderr } = await inspector.ask('logging/setLevel', '--log-level', 'info')
  if (inspector.era === 'legacy') {
    inspector.check('a level of messages is set', code === EXIT.good, stderr)
  } else {
    inspector.check(
      'a level of messages is of the other era',
      code === EXIT.refused && stderr.includes('2026-07-28'),
      stderr,
    )
  }
}

async function load(inspector) {
  const { requests, ok, throughput, latencyMs } = await inspector.answered(
    'a load is answered',
    inspector.call('route_prompt', { prompt: 'Hi' }, ...LOAD),
  )
  inspector.check('all of it', requests === 200 && ok === requests, { requests, ok })
  console.log(`${inspector.era}: ${Math.round(throughput)} calls/s, 20 at a time: ${JSON.stringify(latencyMs)}`)
}

async function inEra(options) {
  const inspector = new Inspector(options)
  let known = {}
  for (const part of [tools, resources, prompts, app, logging, load]) {
    try {
      known = (await part(inspector, known)) ?? known
    } catch (error) {
      inspector.check(`${part.name} runs to its end`, false, error.stack)
    }
  }
}

const [program, modules] = process.argv.slice(2).map((path) => resolve(path))
const folder = mkdtempSync(join(tmpdir(), 'inspector-'))
await Promise.all(ERAS.map((era) => inEra({ program, modules, era, folder: join(folder, era) })))
rmSync(folder, { recursive: true, force: true })
finish()

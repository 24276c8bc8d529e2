// Long calls, which need a provider that takes its time: progress, cancellation, time-outs.

import { createServer } from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../supabase/checks.mjs'

const KEY = 'sk-ant-canary-91b07ac35d'
const ANSWER_MS = 3_300
const CONFIG = `
[[models]]
provider = "anthropic"
model = "stub"
tier = "economy"
context_window = 100000
max_output = 8192

[[prices]]
provider = "anthropic"
model = "stub"
input_usd_per_mtok = 1
output_usd_per_mtok = 2
`

/** Plays a provider that takes its time; counts the calls that were broken off. */
async function provide() {
  const provider = { asked: 0, brokenOff: 0 }
  const server = createServer(async (request, response) => {
    for await (const _ of request);
    provider.asked += 1
    const timer = setTimeout(() => {
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'stub',
          content: [{ type: 'text', text: 'slowly' }],
          stop_reason: 'end_turn',
          usage: { input_tokens: 10, output_tokens: 5 },
        }),
      )
    }, ANSWER_MS)
    response.on('close', () => {
      clearTimeout(timer)
      if (!response.writableFinished) provider.brokenOff += 1
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  provider.url = `http://127.0.0.1:${server.address().port}`
  provider.end = () => {
    server.closeAllConnections()
    server.close()
  }
  return provider
}

export async function waiting(home) {
  const provider = await provide()
  const config = join(home.folder, 'waiting.toml')
  writeFileSync(config, CONFIG)
  const session = await home.open({
    args: [],
    env: {
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_BASE_URL: provider.url,
      COST_OPTIMIZER_CONFIG: config,
      COST_OPTIMIZER_DATA_DIR: join(home.folder, 'waiting'),
    },
  })
  try {
    await session.client.listTools()
    await progress(session)
    await cancelling(session, provider)
    await session.close('waiting')
    session.check('the key is in no log', !session.stderr.includes(KEY))
  } finally {
    provider.end()
  }
}

let prompts = 0

const ask = (session, options) => {
  prompts += 1
  return session.call('route_prompt', { prompt: `Wait ${prompts}`, model: 'anthropic/stub', cache: 'off' }, options)
}

async function progress(session) {
  const told = []
  // A progress that is heard puts the time-out off, which is shorter than the answer takes.
  const result = await session.refusal(
    ask(session, { onprogress: (each) => told.push(each), timeout: 2_000, resetTimeoutOnProgress: true }),
  )
  const answer = result.result?.structuredContent
  session.check('progress keeps a long call alive', answer?.text.includes('slowly'), result)
  // This client may pass over the last one, where it comes with the answer.
  const steps = told.map((each) => each.progress)
  const isRising = steps.every((step, place) => place === 0 || step > steps[place - 1])
  session.check('progress comes about each second, and rises', told.length >= 2 && told.length <= 4 && isRising, told)
  const isWorded = told.some(({ message }) => message?.includes('anthropic/stub'))
  session.check('progress says what is waited for', isWorded, told)
}

async function cancelling(session, provider) {
  for (const [what, cancelled] of [
    ['a call that is given up', () => ask(session, { signal: AbortSignal.timeout(500) })],
    ['a call whose time is out', () => ask(session, { timeout: 500 })],
  ]) {
    const [asked, brokenOff] = [provider.asked, provider.brokenOff]
    const { result } = await session.refusal(cancelled())
    session.check(`${what} has no result`, result === undefined, result)
    const isBrokenOff = await until(() => provider.brokenOff === brokenOff + 1, 2)
    session.check(`${what} is broken off at the provider`, provider.asked === asked + 1 && isBrokenOff, provider)
  }
  const { structuredContent } = await session.call('cost_report', { period: 'all' })
  session.check('the conversation goes on after it', structuredContent.totals.requests >= 1, structuredContent)
}

// What comes beside answers: log messages, changes of resources, questions to the user.

import { until } from '../supabase/checks.mjs'
import { experiment } from './calls.mjs'
import { isModern, textOf } from './session.mjs'

const SUMMARY = 'metrics://summary'
const UNKNOWN = 'metrics://weather'
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel'
const QUIET_MS = 1_500

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

let prompts = 0

const pay = (session, meta) => {
  prompts += 1
  return session.call('route_prompt', { prompt: `Explain the number ${prompts}`, cache: 'off' }, {}, meta)
}

/** Pays once; resolves to the messages that came with it. */
async function messages(session, meta) {
  const before = session.messages.length
  const { structuredContent } = await pay(session, meta)
  await pause(100)
  return { told: session.messages.slice(before), alerts: structuredContent.budget?.alerts ?? [] }
}

export async function logging(home) {
  const session = await home.open({ env: { COST_OPTIMIZER_CONFIG: home.warnsAtOnce() } })
  const isOne = ({ told, alerts }) =>
    told.length === 1 && told[0].level === 'warning' && told[0].logger === 'budgets' && alerts.includes(told[0].data)
  if (isModern(session.era)) {
    const silent = await messages(session)
    session.check('a request that asks for no messages gets none', silent.told.length === 0, silent)
    for (const level of ['debug', 'info', 'warning']) {
      const warned = await messages(session, { [LOG_LEVEL]: level })
      session.check(`a request that asks from ${level} on is warned once`, isOne(warned), warned)
    }
    for (const level of ['error', 'emergency']) {
      const quiet = await messages(session, { [LOG_LEVEL]: level })
      session.check(`a request that asks from ${level} on is not warned`, quiet.told.length === 0, quiet)
    }
    const { result } = await session.refusal(session.client.setLoggingLevel('debug'))
    session.check('a level for the conversation is of the other era', result === undefined, result)
  } else {
    const unsaid = await messages(session)
    session.check('who sets no level is warned once', isOne(unsaid), unsaid)
    for (const level of ['error', 'emergency']) {
      await session.client.setLoggingLevel(level)
      const quiet = await messages(session)
      session.check(`from ${level} on nothing is told`, quiet.told.length === 0, quiet)
    }
    for (const level of ['debug', 'info', 'warning']) {
      await session.client.setLoggingLevel(level)
      const warned = await messages(session)
      session.check(`from ${level} on it is warned once`, isOne(warned), warned)
    }
  }
  await session.close('logging')
}

export async function subscribing(home) {
  const session = await home.open()
  const { client, era } = session
  const refused = isModern(era)
    ? await session.refusal(client.listen({ resourceSubscriptions: [UNKNOWN] }))
    : await session.refusal(client.subscribeResource({ uri: UNKNOWN }))
  const code = isModern(era) ? -32602 : -32002
  session.check('what there is not cannot be subscribed to', refused.code === code, refused)
  const stream = isModern(era) ? await client.listen({ resourceSubscriptions: [SUMMARY, UNKNOWN] }) : undefined
  if (stream) {
    const { resourceSubscriptions } = stream.honoredFilter
    session.check('what there is not is not taken on', resourceSubscriptions?.join() === SUMMARY, stream.honoredFilter)
  } else {
    await client.subscribeResource({ uri: SUMMARY })
  }
  await hears(session, home)
  if (stream) {
    await stream.close()
    const end = await stream.closed
    session.check('the client ends the stream', end === 'local', end)
  } else {
    await client.unsubscribeResource({ uri: SUMMARY })
  }
  await pause(QUIET_MS)
  session.updates.length = 0
  await pay(session)
  await pause(QUIET_MS)
  session.check('nothing is told after the end of it', session.updates.length === 0, session.updates)
  if (!stream) await client.subscribeResource({ uri: SUMMARY })
  const open = isModern(era) ? await client.listen({ resourceSubscriptions: [SUMMARY] }) : undefined
  await session.close('subscribing')
  if (open) session.check('an open stream ends with the conversation', (await open.closed) !== undefined)
}

/** A change by this process, and one by another. */
async function hears(session, home) {
  const isTold = () => session.updates.includes(SUMMARY)
  await pay(session)
  session.check('a change is told of', await until(isTold, 5), session.updates)
  await pause(QUIET_MS)
  session.updates.length = 0
  const other = await home.open()
  await pay(other)
  session.check('a change by another process is told of', await until(isTold, 5), session.updates)
  session.check(
    'nothing else is',
    session.updates.every((uri) => uri === SUMMARY),
    session.updates,
  )
  await other.close('the other process')
  await pause(QUIET_MS)
  // What differs is read again, and not what the client kept.
  const { contents } = await session.client.readResource({ uri: SUMMARY })
  const shown = JSON.parse(contents[0].text).all_time.requests
  const { structuredContent } = await session.call('cost_report', { period: 'all' })
  session.check('what is read after it is new', shown === structuredContent.totals.requests, shown)
}

export async function stopping(home) {
  if (!isModern(home.era)) return
  const session = await home.open()
  const stream = await session.client.listen({ resourceSubscriptions: [SUMMARY] })
  process.kill(session.transport.pid, 'SIGTERM')
  const end = await Promise.race([stream.closed, pause(3_000)])
  session.check('a server that is stopped ends its streams with a result', end === 'graceful', end)
  await session.client.close()
}

/** A provider that is not there, since nothing is asked of it. */
const AT_COST = { args: [], env: { ANTHROPIC_API_KEY: 'sk-ant-nobody', ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' } }

const dear = () => experiment({ max_spend_usd: 50, eligibility: { tags: ['nobody'] } })

/** What the user says, and whether that is a yes. */
const SAID = [
  [{ action: 'accept', content: { confirm: true } }, true],
  [{ action: 'accept', content: { confirm: false } }, false],
  [{ action: 'decline' }, false],
  [{ action: 'cancel' }, false],
]

export async function asking(home) {
  const asked = []
  let said
  // In a simulation nothing is spent, and nobody is asked.
  const session = await home.open({
    ...AT_COST,
    capabilities: { elicitation: {} },
    answer: ({ params }) => {
      asked.push(params)
      return said
    },
  })
  await session.client.listTools()
  for (const [answer, isYes] of SAID) {
    said = answer
    const args = dear()
    const before = asked.length
    const result = await session.call('start_experiment', args)
    const what = JSON.stringify(answer)
    const [question] = asked.slice(before)
    const isNamed = question?.message.includes(args.name) && question.message.includes('$50')
    session.check(
      `${what}: the user is asked once, by name and sum`,
      asked.length === before + 1 && isNamed,
      asked.slice(before),
    )
    const schema = question?.requestedSchema
    session.check(`${what}: the question is a yes or no`, schema?.properties?.confirm?.type === 'boolean', schema)
    const report = await session.call('experiment_report', { name: args.name })
    if (isYes) {
      session.check(
        `${what} starts it`,
        result.structuredContent?.status === 'active' && !report.isError,
        textOf(result),
      )
      await session.call('stop_experiment', { name: args.name })
    } else {
      session.check(
        `${what} starts nothing, and says so`,
        result.isError && /not agree/.test(textOf(result)) && report.isError,
        textOf(result),
      )
    }
  }
  const before = asked.length
  const cheap = experiment({ max_spend_usd: 1, eligibility: { tags: ['nobody'] } })
  await session.call('start_experiment', cheap)
  await session.call('stop_experiment', { name: cheap.name })
  const agreed = { ...dear(), confirm: true }
  await session.call('start_experiment', agreed)
  await session.call('stop_experiment', { name: agreed.name })
  session.check('nobody is asked about little, or twice', asked.length === before, asked.slice(before))
  await session.close('asking')
  const other = await home.open(AT_COST)
  const result = await other.call('start_experiment', dear())
  other.check(
    'who cannot be asked is told what to pass',
    result.isError && textOf(result).includes('confirm'),
    textOf(result),
  )
  await other.close('who cannot be asked')
}

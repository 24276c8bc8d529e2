// Every tool, called well and called wrongly.

import { badCalls, GOOD, goodCalls, MISTAKES } from './calls.mjs'
import { textOf } from './session.mjs'

const MAX_REFUSAL_CHARS = 1_000
const INVALID_PARAMS = -32602

export async function tools(session) {
  const { client } = session
  const { tools: listed } = await client.listTools()
  const names = listed.map(({ name }) => name)
  const unknown = names.filter((name) => !(name in GOOD))
  session.check('each tool is called here', names.length > 0 && unknown.length === 0, unknown)
  session.check(
    'no tool that is called here is missing',
    Object.keys(GOOD).every((name) => names.includes(name)),
    names,
  )
  for (const tool of listed.filter(({ name }) => name in GOOD)) {
    session.check(
      `${tool.name} has schemas of objects`,
      tool.inputSchema.type === 'object' && tool.outputSchema?.type === 'object',
      tool,
    )
    await good(session, tool)
    await bad(session, tool)
  }
  const before = await requests(session)
  for (const [name, what, args, words] of MISTAKES) {
    const result = await session.call(name, args)
    const missing = words.filter((word) => !textOf(result).includes(word))
    session.check(
      `${name}: ${what} is refused, with the way out`,
      result.isError && missing.length === 0,
      textOf(result) || result,
    )
  }
  session.check('no mistake is a request', (await requests(session)) === before, before)
  const refused = await session.refusal(session.call('no_such_tool', {}))
  session.check('an unknown tool is refused by code', refused.code === INVALID_PARAMS, refused)
}

/** The client compares each result with the output schema, and throws where they differ. */
async function good(session, tool) {
  for await (const args of goodCalls(session, tool)) {
    const called = `${tool.name} ${JSON.stringify(args).slice(0, 100)}`
    const result = await session
      .call(tool.name, args)
      .catch((error) => ({ isError: true, content: [], error: String(error) }))
    const isWhole = !result.isError && typeof result.structuredContent === 'object' && textOf(result) !== ''
    session.check(`${called} is answered as its schema says`, isWhole, result.error ?? textOf(result))
    await GOOD[tool.name].after?.(session, args)
  }
}

async function bad(session, tool) {
  const { base, needs } = GOOD[tool.name]
  const args = { ...(await base(session)), ...needs }
  for (const [what, wrong, argument] of badCalls(tool, args)) {
    const result = await session.call(tool.name, wrong)
    const text = textOf(result)
    const isWorded = text.includes(argument) && text.length < MAX_REFUSAL_CHARS
    session.check(
      `${tool.name}: ${what} is refused by name`,
      result.isError === true && isWorded,
      text.slice(0, 400) || result,
    )
  }
  await GOOD[tool.name].after?.(session, args)
}

/** Resolves to the number of requests that were recorded. */
async function requests(session) {
  const report = await session.call('cost_report', { period: 'all' })
  return report.structuredContent.totals.requests
}

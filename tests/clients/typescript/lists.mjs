// Whatever is listed is read, got or completed.

import { isModern } from './session.mjs'

const VERSIONS = { legacy: '2025-11-25', modern: '2026-07-28' }
const NOT_FOUND = { legacy: -32002, modern: -32602 }
const INVALID_PARAMS = -32602
const PAGE = 'ui://ai-cost-optimizer/dashboard.html'
const UNKNOWN = ['metrics://weather', 'ui://ai-cost-optimizer/no-such.html', 'file:///etc/passwd']

export async function greeting(session) {
  const { client, era } = session
  const kind = isModern(era) ? 'modern' : 'legacy'
  session.check(
    'the protocol version is the one of the era',
    client.getNegotiatedProtocolVersion() === VERSIONS[kind],
    client.getNegotiatedProtocolVersion(),
  )
  session.check('the client takes it for the era', client.getProtocolEra() === kind, client.getProtocolEra())
  const server = client.getServerVersion()
  session.check(
    'the server says its name, and that it is simulated',
    server?.name === 'ai-cost-optimizer' && server.title?.includes('simulated'),
    server,
  )
  session.check(
    'the server says what it is for',
    client.getInstructions()?.includes('route_prompt'),
    client.getInstructions(),
  )
  if (kind === 'legacy') {
    session.check('it answers a ping', (await session.refusal(client.ping())).result !== undefined)
  } else {
    const { ttlMs, cacheScope, supportedVersions } = await client.discover()
    session.check('it may be discovered again', supportedVersions.includes(VERSIONS.modern), supportedVersions)
    session.check('what is discovered may be kept', ttlMs > 0 && cacheScope === 'public', { ttlMs, cacheScope })
  }
}

export async function lists(session) {
  await resources(session)
  await templates(session)
  await prompts(session)
  await deterministic(session)
}

async function resources(session) {
  const { client, era } = session
  const { resources: listed } = await client.listResources()
  const uris = listed.map(({ uri }) => uri)
  session.check('each resource is listed once', uris.length > 0 && new Set(uris).size === uris.length, uris)
  session.check('the page is among them', uris.includes(PAGE), uris)
  for (const { uri, mimeType } of listed) await reads(session, uri, mimeType)
  for (const uri of UNKNOWN) {
    const { code, message } = await session.refusal(client.readResource({ uri }))
    session.check(
      `${uri} is not found, by the code of the era`,
      code === NOT_FOUND[isModern(era) ? 'modern' : 'legacy'],
      { code, message },
    )
  }
}

async function reads(session, uri, mimeType) {
  const { contents } = await session.client.readResource({ uri }, { cacheMode: 'bypass' })
  const [content] = contents
  session.check(
    `${uri} is one content of its name`,
    contents.length === 1 && content.uri === uri,
    contents.map((each) => each.uri),
  )
  session.check(
    `${uri} has the type that is listed`,
    mimeType === undefined || content.mimeType === mimeType,
    content.mimeType,
  )
  const isJson = content.mimeType === 'application/json'
  const isFilled = isJson ? Object.keys(JSON.parse(content.text)).length > 0 : content.text !== ''
  session.check(`${uri} is what its type says`, isFilled, content.text?.slice(0, 200))
}

async function templates(session) {
  const { client } = session
  const { resourceTemplates } = await client.listResourceTemplates()
  session.check('templates are listed, if there are any', Array.isArray(resourceTemplates), resourceTemplates)
  const values = await known(session)
  for (const { uriTemplate, mimeType } of resourceTemplates) {
    const names = Array.from(uriTemplate.matchAll(/\{(\w+)\}/g), ([, name]) => name)
    const missing = names.filter((name) => !(name in values))
    session.check(`${uriTemplate} is filled in here`, names.length > 0 && missing.length === 0, missing)
    await reads(
      session,
      uriTemplate.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name])),
      mimeType,
    )
    for (const name of names) await completes(session, { type: 'ref/resource', uri: uriTemplate }, name)
  }
}

async function prompts(session) {
  const { client } = session
  if (!client.getServerCapabilities()?.prompts) return
  const { prompts: listed } = await client.listPrompts()
  const values = await known(session)
  session.check('there are prompts', listed.length > 0, listed)
  for (const { name, title, description, arguments: args = [] } of listed) {
    session.check(`the prompt ${name} says what it is for`, title && description, { title, description })
    const required = args.filter((each) => each.required)
    for (const given of [args, required]) {
      const filled = Object.fromEntries(given.map((each) => [each.name, values[each.name] ?? 'anything']))
      const got = await session.refusal(client.getPrompt({ name, arguments: filled }))
      const messages = got.result?.messages ?? []
      const isWhole =
        messages.length > 0 &&
        messages.every(({ role, content }) => role && (content.type !== 'text' || content.text !== ''))
      session.check(`the prompt ${name} is got with ${JSON.stringify(filled)}`, isWhole, got)
    }
    for (const argument of required) {
      const { code, message } = await session.refusal(client.getPrompt({ name, arguments: {} }))
      session.check(`the prompt ${name} without ${argument.name} is refused`, code === INVALID_PARAMS, {
        code,
        message,
      })
    }
    for (const argument of args) await completes(session, { type: 'ref/prompt', name }, argument.name)
  }
  const { code, message } = await session.refusal(client.getPrompt({ name: 'no_such_prompt' }))
  session.check('an unknown prompt is refused by code', code === INVALID_PARAMS, { code, message })
}

async function completes(session, ref, name) {
  const { client } = session
  if (!client.getServerCapabilities()?.completions) return
  const what = `${ref.name ?? ref.uri}, ${name}`
  const { result, ...refused } = await session.refusal(client.complete({ ref, argument: { name, value: '' } }))
  const values = result?.completion.values
  session.check(`${what} is completed`, Array.isArray(values) && values.length <= 100, refused)
  const [first] = values ?? []
  if (first === undefined) return
  const start = first.slice(0, 3)
  const narrowed = (await client.complete({ ref, argument: { name, value: start } })).completion.values
  session.check(`${what} is completed from ${start}`, narrowed.includes(first), narrowed)
}

/** Makes something for each variable of a template and each argument of a prompt. */
async function known(session) {
  const { structuredContent } = await session.call('route_prompt', { prompt: 'What is a template?' })
  const name = `templates ${session.era}`
  await session.call('start_experiment', {
    name,
    metric: 'cost_usd',
    arms: [
      { name: 'a', quality: 'economy' },
      { name: 'b', quality: 'best' },
    ],
    max_requests: 100,
    eligibility: { tags: ['nobody'] },
    idempotency_key: name,
  })
  return {
    request_id: structuredContent.request_id,
    name,
    experiment: name,
    model: 'anthropic/claude-haiku-5-5',
    period: '30d',
    tag: 'nobody',
  }
}

/** The lists are the same each time, so that what was read of them may be kept. */
async function deterministic(session) {
  const { client } = session
  for (const list of ['listTools', 'listResources', 'listResourceTemplates']) {
    const once = JSON.stringify(await client[list]({}, { cacheMode: 'bypass' }))
    const again = JSON.stringify(await client[list]({}, { cacheMode: 'bypass' }))
    session.check(`${list} gives the same twice`, once === again, again)
  }
}

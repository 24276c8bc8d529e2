// The page in a host: what it shows, how it follows the host, and how it stays fresh.

import { join } from 'node:path'
import { check, until } from '../supabase/checks.mjs'
import { checkKeyboard, checkNarrow, checkRules } from './access.mjs'
import { HOSTILE, rich } from './fixture.mjs'
import { EXTRA, call } from './server.mjs'
import { checkNumbers, read } from './shown.mjs'

const CAN_CALL = { serverTools: {}, logging: {} }
const LIGHT = { theme: 'light', styles: { variables: { '--color-background-primary': '#fdfdfd' } } }
const DARK = { theme: 'dark', styles: { variables: { '--color-background-primary': '#101010' } } }
const PAUSE_MS = 31_000

/** Opens the page in a host of some capabilities. `calls` are those that the page makes of the program. */
async function open(browser, host, client, capabilities, hostContext) {
  const page = await browser.context.newPage()
  const calls = []
  const server = { isBroken: false }
  await page.clock.install()
  await page.exposeFunction('call_server', async (params) => {
    if (server.isBroken) {
      calls.push({ params })
      throw new Error('the program is away')
    }
    const result = await client.callTool(params)
    calls.push({ params, result })
    return result
  })
  await page.goto(host.address)
  const info = await page.evaluate((given) => window.open_view(...given), [capabilities, hostContext])
  const frame = page.frames().find((each) => each.url().endsWith('/view'))
  const send = (result) => page.evaluate((given) => window.send_result(given), result)
  return { page, frame, calls, server, send, info }
}

/** Takes a picture of the whole page: of a frame only what is in the window is drawn. */
async function picture(page, path) {
  const { width, height } = page.viewportSize()
  const whole = await page.evaluate(() => document.documentElement.scrollHeight)
  await page.setViewportSize({ width, height: Math.max(height, whole) })
  await page.screenshot({ path })
  await page.setViewportSize({ width, height })
}

export async function checkHost({ client, browser, host, axe, screenshots }) {
  const view = await open(browser, host, client, CAN_CALL, LIGHT)
  check('the page says who it is', view.info?.name === 'ai-cost-optimizer-dashboard', view.info)
  await checkFirst(view, client)
  await picture(view.page, join(screenshots, 'light.png'))
  await checkRules('light', view.frame, axe)
  await checkRefresh(view, client)
  await checkLive(view)
  await checkKeyboard(view.page, view.frame)
  await checkDark(view)
  await picture(view.page, join(screenshots, 'dark.png'))
  await checkRules('dark', view.frame, axe)
  await checkRich(view, axe, screenshots)
  await checkLess(view)
  await checkEnd(view)
  await checkSilentHost(browser, host, client)
  await checkForgetfulHost(browser, host, client)
  check('in a host the console stays empty', browser.problems.length === 0, browser.problems)
}

/** The result of the call that opened the page. */
async function checkFirst({ page, frame, send }, client) {
  const input = { period: '7d' }
  const result = await call(client, 'cost_report', input)
  const extra = result._meta?.[EXTRA]
  check('the result brings the numbers of the page', extra !== undefined, Object.keys(result._meta ?? {}))
  await page.evaluate((given) => window.send_input(given), input)
  await send(result)
  await until(async () => (await read(frame)).tiles.length > 0)
  checkNumbers('in a host', await read(frame), { ...result, extra })
  const period = await frame.evaluate(() => document.querySelector('#periods :checked').value)
  check('the period is the one that was asked for', period === '7d', period)
  const size = await page.evaluate(() => window.last_size())
  const room = await frame.evaluate(() => [
    document.body.offsetWidth,
    document.documentElement.scrollHeight,
    innerHeight,
  ])
  check('the host knows how tall the page is', size?.height === room[1] && room[1] <= room[2], [size, room])
}

async function checkRefresh({ frame, calls }, client) {
  const requests = async () => (await read(frame)).tiles[2].value
  const before = await requests()
  await call(client, 'route_prompt', { prompt: 'one more question', cache: 'off' })
  await frame.click('#refresh')
  check('Refresh brings what is new', await until(async () => (await requests()) === before + 1), [
    before,
    await requests(),
  ])
  const { params, result } = calls.at(-1)
  check('Refresh asks for the same period', params.name === 'cost_report' && params.arguments.period === '7d', params)
  checkNumbers('refreshed', await read(frame), { ...result, extra: result._meta?.[EXTRA] ?? {} })
  const told = await frame.textContent('#told')
  check('it is said that it is refreshed', told === 'Updated.', told)
  await frame.click('#periods label:has([value=today])')
  const isAsked = await until(() => calls.at(-1).params.arguments.period === 'today')
  check('another period is asked for', isAsked, calls.at(-1).params)
}

/** Time passes faster here than outside. */
async function checkLive({ page, frame, calls, server }) {
  const rest = () => new Promise((resolve) => setTimeout(resolve, 300))
  const callsWithin = async (pause_ms) => {
    await rest()
    const before = calls.length
    await page.clock.runFor(pause_ms)
    await rest()
    return calls.length - before
  }
  await frame.click('#days-table-summary')
  await frame.focus('#days-table-summary')
  check('it refreshes by itself', (await callsWithin(PAUSE_MS)) === 1, calls.length)
  const kept = await frame.evaluate(() => [document.getElementById('days-table').open, document.activeElement.id])
  check('what is open stays open, and the focus where it is', kept.join() === 'true,days-table-summary', kept)
  await frame.click('#live')
  check('it does not where nobody wants it', (await callsWithin(PAUSE_MS)) === 0, calls.length)
  await frame.click('#live')
  check('it does again', (await callsWithin(PAUSE_MS)) === 1, calls.length)

  const hide = (isHidden) =>
    page.evaluate(
      (padding) => {
        document.body.style.paddingTop = padding
      },
      isHidden ? '9000px' : '0',
    )
  await hide(true)
  await page.evaluate(() => scrollTo(0, 0))
  check('out of sight it does not', (await callsWithin(3 * PAUSE_MS)) === 0, calls.length)
  const before = calls.length
  await hide(false)
  check('in sight again it does at once', await until(() => calls.length === before + 1), calls.length - before)

  server.isBroken = true
  check('it tries again', (await callsWithin(PAUSE_MS)) === 1, calls.length)
  const trouble = await frame.textContent('#trouble')
  check('it says what failed', trouble.includes('the program is away'), trouble)
  check('the numbers stay', (await read(frame)).tiles.length === 4)
  check('after a failure it waits longer', (await callsWithin(PAUSE_MS)) === 0, calls.length)
  server.isBroken = false
  check('and tries once more', (await callsWithin(PAUSE_MS)) === 1, calls.length)
  const after = await frame.textContent('#trouble')
  check('what is mended is no trouble', after === '', after)
  await frame.click('#days-table-summary')
}

async function checkDark({ page, frame }) {
  const ground = () => frame.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await ground()
  check('the ground is the host’s', light === 'rgb(253, 253, 253)', light)
  await page.evaluate((context) => window.set_context(context), DARK)
  check('the ground follows the host', await until(async () => (await ground()) === 'rgb(16, 16, 16)'), await ground())
  const letters = await frame.evaluate(() => getComputedStyle(document.body).color)
  check('so do letters', letters === 'rgb(242, 242, 242)', letters)
}

/** Numbers of many days, with losses and with names that look like code. */
async function checkRich({ page, frame, send }, axe, screenshots) {
  const result = { content: [], structuredContent: { totals: rich.totals }, _meta: { [EXTRA]: rich } }
  await send(result)
  await until(async () => (await read(frame)).tiles[2].value === rich.totals.requests)
  const shown = await read(frame)
  checkNumbers('of many days', shown, { ...result, extra: rich })
  check(
    'a loss is shown as one',
    shown.tiles[1].text.startsWith('−$') && shown.sections.headline.text.includes('dearer than the baseline'),
    shown.sections.headline.text,
  )
  check('the bound of the cache is told', shown.sections.headline.text.includes('1.73 %'), shown.sections.headline.text)
  const steered = HOSTILE.replace('\u202e', '')
  const texts = [
    shown.rows.model[2].name,
    shown.sections.budgets.text,
    shown.sections.experiments.text,
    shown.sections.warnings.text,
  ]
  check('names are only names', shown.harmed === undefined && texts.every((text) => text.includes(steered)), texts)
  const made = await frame.evaluate(() => document.querySelectorAll('main img, main script').length)
  check('no name makes an element', made === 0, made)
  const meters = await frame.evaluate(() =>
    Array.from(document.querySelectorAll('[role=meter]'), (meter) =>
      ['aria-valuenow', 'aria-valuemax', 'aria-valuetext'].map((name) => meter.getAttribute(name)),
    ),
  )
  check(
    'each limit has a meter',
    meters.length === 3 && meters[0].slice(0, 2).join() === '12.2,20' && meters[1][2].includes('over it'),
    meters,
  )
  check(
    'the forecast is told with its chance',
    /13\.10 to \$17\.20/.test(shown.sections.month.text),
    shown.sections.month.text,
  )
  check(
    'a verdict is told',
    shown.sections.experiments.text.includes('the treatment is better'),
    shown.sections.experiments.text,
  )
  await checkRules('of many days, dark', frame, axe)
  await page.evaluate((context) => window.set_context(context), LIGHT)
  await until(() => frame.evaluate(() => document.documentElement.dataset.theme === 'light'))
  await checkRules('of many days, light', frame, axe)
  await picture(page, join(screenshots, 'many-days.png'))

  await page.setViewportSize({ width: 320, height: 900 })
  await until(() =>
    frame.evaluate(() => innerWidth === 320 && document.querySelector('figure > svg').clientWidth < 320),
  )
  await checkNarrow('in a host', frame, 320)
  await checkRules('narrow', frame, axe)
  await picture(page, join(screenshots, '320px.png'))
  await page.setViewportSize({ width: 900, height: 900 })
}

/** Results that have less than all, and messages that are nobody's. */
async function checkLess({ frame, send }) {
  const totals = { ...rich.totals, requests: 77 }
  const structuredContent = {
    from: rich.from,
    to: rich.to,
    totals,
    cache_error_bound: 0.05,
    groups: rich.by_model,
    simulated: true,
  }
  await send({ content: [], structuredContent })
  await until(async () => (await read(frame)).tiles[2].value === 77)
  const shown = await read(frame)
  const ids = Object.keys(shown.sections).join()
  check('without the page’s numbers it shows the tool’s', ids === 'headline,budgets,groups,cache,warnings', ids)
  check('it says that there are more', shown.covered.includes('only a part') && shown.isMarked, shown.covered)

  await send({ content: [{ type: 'text', text: 'period is wrong' }], isError: true })
  await until(async () => (await read(frame)).trouble !== '')
  const refused = await read(frame)
  check(
    'an error is told, and the numbers stay',
    refused.trouble.includes('period is wrong') && refused.tiles[2].value === 77,
    refused.trouble,
  )

  const empty = {
    ...rich,
    totals: { ...rich.totals, requests: 0 },
    by_day: [],
    by_model: [],
    by_strategy: [],
    by_source: [],
    budgets: [],
    month: { end: '2026-12-01', days: [] },
    forecast: undefined,
    experiments: [],
    requests: [],
    warnings: [],
    cache: { entries: 0, hits: 0 },
  }
  await send({ content: [], structuredContent: { totals: empty.totals }, _meta: { [EXTRA]: empty } })
  await until(async () => (await read(frame)).tiles[2].value === 0)
  const { sections } = await read(frame)
  const hints = Object.entries({
    headline: 'route_prompt',
    days: 'route_prompt',
    requests: 'route_prompt',
    budgets: 'set_budget',
    experiments: 'start_experiment',
  })
  const silent = hints.filter(([id, hint]) => !sections[id].text.includes(hint))
  check('what is empty says what to do', silent.length === 0, silent)

  await frame.evaluate(
    (params) => {
      window.postMessage({ jsonrpc: '2.0', method: 'ui/notifications/tool-result', params }, '*')
    },
    { content: [], structuredContent },
  )
  await new Promise((resolve) => setTimeout(resolve, 200))
  check('only the host is listened to', (await read(frame)).tiles[2].value === 0, (await read(frame)).tiles)
}

async function checkEnd({ page, calls }) {
  const answer = await page.evaluate(() => window.tear_down())
  check('it lets itself be torn down', JSON.stringify(answer) === '{}', answer)
  const before = calls.length
  await page.clock.runFor(4 * PAUSE_MS)
  await new Promise((resolve) => setTimeout(resolve, 300))
  check('after that it asks for nothing', calls.length === before, calls.length - before)
  await page.close()
}

/** A host that passes no calls on. */
async function checkSilentHost(browser, host, client) {
  const { page, frame, calls, send } = await open(browser, host, client, {}, {})
  await send(await call(client, 'cost_report', {}))
  await until(async () => (await read(frame)).tiles.length > 0)
  await page.clock.runFor(PAUSE_MS)
  const { tiles, hasControls } = await read(frame)
  check(
    'a host that passes no calls on sees the numbers, and no controls',
    tiles.length === 4 && !hasControls && calls.length === 0,
    [tiles, hasControls, calls],
  )
  await page.close()
}

/** A host that does not say what came of the call, only what it was. */
async function checkForgetfulHost(browser, host, client) {
  const { page, frame, calls } = await open(browser, host, client, CAN_CALL, DARK)
  const input = { from: '2020-01-01' }
  await page.evaluate((given) => window.send_input(given), input)
  await page.clock.runFor(5_000)
  await until(async () => (await read(frame)).tiles.length > 0)
  const { tiles, covered } = await read(frame)
  const asked = calls.map(({ params }) => params.arguments)
  check('numbers that do not come are asked for', tiles.length === 4 && asked.length === 1, [tiles, asked])
  check('a time of one’s own is kept', asked[0]?.from === input.from && covered.startsWith('From 2020-01-01'), [
    asked,
    covered,
  ])
  check('it is shown as such', await frame.isVisible('#own-period'))
  await page.close()
}

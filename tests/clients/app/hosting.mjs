// The page in a host: what it shows, and how it follows the host.

import { join } from 'node:path'
import { check, until } from '../supabase/checks.mjs'
import { checkKeyboard, checkRules } from './access.mjs'
import { PAUSE_MS, checkEnd, checkLate, checkLive, checkRefresh } from './fresh.mjs'
import { checkLess, checkRich } from './numbers.mjs'
import { EXTRA, call } from './server.mjs'
import { checkNumbers, read } from './shown.mjs'
import { DARK, LIGHT, open, picture } from './view.mjs'

const CAN_CALL = { serverTools: {}, logging: {} }

export async function checkHost({ client, browser, host, axe, screenshots }) {
  const view = await open(browser, host, client, CAN_CALL, LIGHT)
  check('the page says who it is', view.info?.name === 'ai-cost-optimizer-dashboard', view.info)
  await checkFirst(view, client)
  await picture(view.page, join(screenshots, 'light.png'))
  await checkRules('light', view.frame, axe)
  await checkRefresh(view, client)
  await checkLate(view)
  await checkLive(view, client)
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
  const heights = async () => {
    const told = await page.evaluate(() => window.last_size()?.height)
    return [told, ...(await frame.evaluate(() => [document.documentElement.scrollHeight, innerHeight]))]
  }
  const isTold = await until(async () => new Set(await heights()).size === 1)
  check('the host knows how tall the page is', isTold, await heights())
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

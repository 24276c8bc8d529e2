// Numbers that a simulation does not bring about: of many days, less than all, and none.

import { join } from 'node:path'
import { check, until } from '../supabase/checks.mjs'
import { checkNarrow, checkRules } from './access.mjs'
import { HOSTILE, rich } from './fixture.mjs'
import { EXTRA } from './server.mjs'
import { checkNumbers, read } from './shown.mjs'
import { LIGHT, pause, picture } from './view.mjs'

/** Numbers of many days, with losses and with names that look like code. */
export async function checkRich({ page, frame, send }, axe, screenshots) {
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
  const handlers = await frame.evaluate(() =>
    Array.from(document.querySelectorAll('*')).flatMap((element) =>
      element.getAttributeNames().filter((attribute) => attribute.startsWith('on')),
    ),
  )
  check('no element has a handler in it', handlers.length === 0, handlers)
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
export async function checkLess({ frame, send }) {
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
  await pause()
  check('only the host is listened to', (await read(frame)).tiles[2].value === 0, (await read(frame)).tiles)
}

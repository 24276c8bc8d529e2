// The page without a mouse, without eyes, and on a narrow screen.

import { check } from '../supabase/checks.mjs'

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
// A part of a host's page is no page of its own.
const NOT_OURS = { 'landmark-one-main': { enabled: true }, region: { enabled: true } }

/** Runs axe-core, which is put in by the browser and so is beside what the page may load. */
export async function checkRules(what, frame, axe) {
  await frame.evaluate(axe)
  const found = await frame.evaluate(
    async ([rules, values]) => {
      const { violations } = await window.axe.run(document, { runOnly: { type: 'tag', values }, rules })
      return violations.map(({ id, nodes }) => ({
        id,
        nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => [html, failureSummary]),
      }))
    },
    [NOT_OURS, RULES],
  )
  check(`${what}: axe-core finds nothing`, found.length === 0, found)
}

/** Checks that nothing is wider than the page. */
export async function checkNarrow(what, frame, width) {
  const found = await frame.evaluate(() => ({
    width: document.documentElement.clientWidth,
    needed: document.documentElement.scrollWidth,
    wide: Array.from(document.querySelectorAll('body *'))
      .filter(
        (element) => element.getClientRects().length > 0 && element.getBoundingClientRect().right > innerWidth + 0.5,
      )
      .map((element) => element.outerHTML.slice(0, 120)),
  }))
  check(
    `${what}: ${width} px are enough`,
    found.width === width && found.needed <= width && found.wide.length === 0,
    found,
  )
}

/** Goes through the page by Tab; gives what had the focus, and whether it was to be seen. */
export async function walk(page, frame) {
  const stops = []
  await page.evaluate(() => document.querySelector('iframe').focus())
  // Tab goes on from where the focus was last, so that is put to the beginning.
  await frame.evaluate(() => {
    document.body.tabIndex = -1
    document.body.focus()
    document.body.removeAttribute('tabindex')
  })
  for (let press = 0; press < 60; press += 1) {
    await page.keyboard.press('Tab')
    const stop = await frame.evaluate(() => {
      const element = document.activeElement
      if (!element || element === document.body || !document.hasFocus()) return undefined
      // A period's button is drawn by the words beside it.
      const seen = element.type === 'radio' ? element.nextElementSibling : element
      const { outlineStyle, outlineWidth } = getComputedStyle(seen)
      return {
        id: element.id || element.closest('[id]').id,
        isSeen: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2,
        hasName: (element.labels?.[0]?.textContent ?? element.textContent).trim() !== '',
      }
    })
    if (stop === undefined) break
    stops.push(stop)
  }
  return stops
}

/** Checks that all is reached by Tab, in the order in which it is read. */
export async function checkKeyboard(page, frame) {
  const stops = await walk(page, frame)
  const ids = stops.map(({ id }) => id)
  check('Tab goes from the period over live to Refresh', ids.join().startsWith('periods,live,refresh'), ids)
  const summaries = await frame.evaluate(() => Array.from(document.querySelectorAll('summary'), ({ id }) => id))
  check('Tab reaches each table', summaries.length >= 3 && summaries.every((id) => ids.includes(id)), [ids, summaries])
  check('the focus can be seen', stops.length > 3 && stops.every(({ isSeen }) => isSeen), stops)
  check(
    'what has the focus has a name',
    stops.every(({ hasName }) => hasName),
    stops,
  )
}

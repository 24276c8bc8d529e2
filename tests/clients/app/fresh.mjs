// How the page stays fresh: by Refresh, by itself, and not where nobody sees it.

import { check, until } from '../supabase/checks.mjs'
import { EXTRA, call } from './server.mjs'
import { checkNumbers, read } from './shown.mjs'
import { pause, settled } from './view.mjs'

export const PAUSE_MS = 31_000

export async function checkRefresh({ frame, calls }, client) {
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

/** An answer that comes after a later one. */
export async function checkLate({ frame, server, calls }) {
  let release
  server.held = new Promise((resolve) => {
    release = resolve
  })
  const before = calls.length
  await frame.click('#refresh')
  await until(() => calls.length === before + 1)
  server.held = undefined
  await frame.click('#periods label:has([value="30d"])')
  await until(() => calls[before + 1]?.result)
  await settled(frame)
  const { covered } = await read(frame)
  release()
  await until(() => calls[before].result)
  await pause()
  const after = (await read(frame)).covered
  check('an answer that is late changes nothing', calls.length === before + 2 && after === covered, [covered, after])
}

/** Waits until the browser has told the page's observers whether it is in sight. */
function noticed(frame, isInSight) {
  return frame.evaluate(
    (wanted) =>
      new Promise((resolve) => {
        // Older observers, as the page's own, are told first.
        const observer = new IntersectionObserver((entries) => {
          if (entries.at(-1).isIntersecting !== wanted) return
          observer.disconnect()
          resolve()
        })
        observer.observe(document.body)
      }),
    isInSight,
  )
}

/** Time passes faster here than outside. */
export async function checkLive({ page, frame, calls, server }, client) {
  const callsWithin = async (pause_ms) => {
    await settled(frame)
    const before = calls.length
    await page.clock.runFor(pause_ms)
    await until(() => calls.length > before, 1)
    await settled(frame)
    return calls.length - before
  }
  await frame.click('#days-table-summary')
  await frame.focus('#days-table-summary')
  // Only what is new is drawn anew.
  await call(client, 'route_prompt', { prompt: 'one more question', cache: 'off' })
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
  await noticed(frame, false)
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

export async function checkEnd({ page, calls }) {
  const answer = await page.evaluate(() => window.tear_down())
  check('it lets itself be torn down', JSON.stringify(answer) === '{}', answer)
  const before = calls.length
  await page.clock.runFor(4 * PAUSE_MS)
  await pause()
  check('after that it asks for nothing', calls.length === before, calls.length - before)
  await page.close()
}

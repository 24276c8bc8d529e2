// The page as a file of its own: `report --html FILE`.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { check } from '../supabase/checks.mjs'
import { checkNarrow, checkRules } from './access.mjs'
import { checkNumbers, read } from './shown.mjs'

export async function checkFile({ program, env, folder, browser, axe, screenshots }) {
  const file = join(folder, 'report.html')
  const printed = execFileSync(program, ['report', '--html', file, '--period', '30d', '--simulate', '--json'], {
    env,
    encoding: 'utf8',
  })
  const page = await browser.context.newPage()
  browser.problems.length = 0
  await page.emulateMedia({ colorScheme: 'light' })
  await page.goto(pathToFileURL(file).href)
  const extra = await page.evaluate(() => JSON.parse(document.getElementById('data').textContent))
  const shown = await read(page)
  checkNumbers('as a file', shown, { structuredContent: JSON.parse(printed), extra })
  check('a file has no Refresh', !shown.hasControls && !(await page.isVisible('#refresh')))
  await checkRules('as a file', page, axe)
  await page.screenshot({ path: join(screenshots, 'file.png'), fullPage: true })
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await ground()
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await ground()
  check('a file is as light as its reader likes', light === 'rgb(255, 255, 255)' && dark === 'rgb(22, 22, 22)', [
    light,
    dark,
  ])
  await checkRules('as a file, dark', page, axe)
  await page.setViewportSize({ width: 320, height: 800 })
  await checkNarrow('as a file', page, 320)
  check('as a file the console stays empty', browser.problems.length === 0, browser.problems)
  await page.close()
}

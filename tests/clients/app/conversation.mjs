// The dashboard in a host and as a file: `node conversation.mjs PROGRAM FOLDER_OF_NODE_MODULES FOLDER_OF_SCREENSHOTS`.
//
// Each claim is a line `ok - …` or `not ok - …`.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { check, finish } from '../supabase/checks.mjs'
import { browse, serveHost } from './browser.mjs'
import { checkFile } from './file.mjs'
import { checkHost } from './hosting.mjs'
import { offered, serve, spend } from './server.mjs'

const [program, modules, screenshots] = process.argv.slice(2)
const require = createRequire(join(modules, 'node_modules', 'here.js'))
const load = (name) => import(pathToFileURL(require.resolve(name)))

/** Bundles the host for the browser, with the official bridge in it. */
async function bundleHost() {
  const { outputFiles } = await require('esbuild').build({
    entryPoints: [join(dirname(fileURLToPath(import.meta.url)), 'host.mjs')],
    nodePaths: [join(modules, 'node_modules')],
    bundle: true,
    format: 'iife',
    platform: 'browser',
    write: false,
    logLevel: 'error',
  })
  return outputFiles[0].text
}

/** Finds the weights in a model folder, or in a data directory. */
function modelFolder(weights) {
  const own = join(weights, 'models', 'all-MiniLM-L6-v2')
  return existsSync(own) ? own : weights
}

async function converse(folder) {
  const { Client } = await load('@modelcontextprotocol/client')
  const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio')
  const { PATH, HOME, TEST_MODEL_DIR } = process.env
  const env = {
    PATH,
    HOME,
    // Where there are weights on this machine, it need not look for them elsewhere.
    ...(TEST_MODEL_DIR && { EMBEDDING_MODEL_PATH: modelFolder(TEST_MODEL_DIR) }),
    COST_OPTIMIZER_DATA_DIR: join(folder, 'data'),
    COST_OPTIMIZER_CONFIG: '/dev/null',
  }
  const client = await serve({ Client, StdioClientTransport }, program, env)
  const view = await offered(client)
  await spend(client)
  const browser = await browse(require('playwright-core'))
  const host = await serveHost(await bundleHost(), view)
  const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
  try {
    await checkHost({ client, browser, host, axe, screenshots })
    await client.close()
    await checkFile({ program, env, folder, browser, axe, screenshots })
  } finally {
    host.close()
    await browser.close()
    await client.close()
  }
}

mkdirSync(screenshots, { recursive: true })
const folder = mkdtempSync(join(tmpdir(), 'dashboard-'))
try {
  await converse(folder)
} catch (error) {
  check('the conversation goes on', false, error.stack)
}
rmSync(folder, { recursive: true, force: true })
finish()

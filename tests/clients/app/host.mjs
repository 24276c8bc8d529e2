// A host of MCP Apps in a browser: the page in a sandboxed frame, and the official bridge beside it.
//
// It is bundled for the browser; the test steers it by what it sets on `window`.

import { AppBridge, PostMessageTransport } from '@modelcontextprotocol/ext-apps/app-bridge'

const HOST = { name: 'app-test-host', version: '1.0.0' }

let bridge
const sizes = []

/** Puts the page into a frame and talks to it until it is initialized. */
window.open_view = async (capabilities, hostContext) => {
  const frame = document.createElement('iframe')
  frame.sandbox = 'allow-scripts'
  frame.title = 'view'
  bridge = new AppBridge(null, HOST, capabilities, { hostContext })
  // Calls go through the test to the program.
  bridge.oncalltool = (params) => window.call_server(params)
  bridge.onsizechange = ({ width, height }) => {
    sizes.push({ width, height })
    if (height) frame.style.height = `${height}px`
  }
  const initialized = new Promise((resolve) => {
    bridge.oninitialized = resolve
  })
  document.body.append(frame)
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow))
  frame.src = '/view'
  await initialized
  return bridge.getAppVersion()
}

window.send_input = (input) => bridge.sendToolInput({ arguments: input })
window.send_result = (result) => bridge.sendToolResult(result)
window.set_context = (context) => bridge.setHostContext(context)
window.tear_down = () => bridge.teardownResource({})
window.last_size = () => sizes.at(-1)

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { install, versionOf } from './support/install.ts'
import { deferred, sticky } from './support/listen.ts'
import { keepTalking } from './support/talk.ts'
import type { Talker } from './support/talk.ts'
import { hooksOf, lostNothing, update } from './support/update.ts'

t.setTimeout(600_000)

/** As much of the SDK's client as is used. */
interface Client {
  connect: (transport: object) => Promise<void>
  callTool: (call: { name: string, arguments: object }) => Promise<{ content: Array<{ text: string }> }>
  close: () => Promise<void>
}

// Scenario (Foreign parties): MCP with open event streams
t.test('MCP over Streamable HTTP: every call is answered, and the open event streams end in order', async (t) => {
  const folder = await install('mcp')
  t.comment(`@modelcontextprotocol/sdk ${versionOf(folder, '@modelcontextprotocol/sdk')}`)
  const load = async (file: string): Promise<any> =>
    import(String(pathToFileURL(join(folder, 'node_modules/@modelcontextprotocol/sdk/dist/esm/client', file))))
  const { Client: McpClient } = await load('index.js') as { Client: new (info: object) => Client }
  const { StreamableHTTPClientTransport } = await load('streamableHttp.js') as {
    StreamableHTTPClientTransport: new (url: URL, options: object) => object
  }

  let streams = 0
  const connect = async (port: number): Promise<Talker> => {
    const closed = deferred<string | undefined>()
    const client = new McpClient({ name: 'roof', version: '1.0.0' })
    let hasLeft = false
    const spy = async (url: string | URL, init?: RequestInit): Promise<Response> => {
      const response = await fetch(url, init)
      if (init?.method !== 'GET' || response.body === null) return response
      streams++
      const [own, theirs] = response.body.tee()
      new Response(own).text().then(
        () => closed.resolve(undefined),
        (error: Error) => closed.resolve(
          hasLeft ? undefined : `the event stream broke: ${error.message}, ${String(error.cause)}`
        )
      )
      return new Response(theirs, response)
    }
    // It does not come back by itself: its session lives in one process.
    const reconnectionOptions = {
      maxRetries: 0,
      initialReconnectionDelay: 10,
      maxReconnectionDelay: 10,
      reconnectionDelayGrowFactor: 1
    }
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`), { fetch: spy, reconnectionOptions })
    )
    return {
      closed: closed.promise,
      ask: async (text) => (await client.callTool({ name: 'work', arguments: { text } })).content[0]!.text,
      leave () {
        hasLeft = true
        void client.close().finally(() => closed.resolve(undefined))
      }
    }
  }

  const outcome = await update({
    service: () => ({ folder, command: ['node', 'server.js'] }),
    isInHand: true,
    longLived: async (_port, replicas) => keepTalking(6, sticky(connect, replicas))
  })
  lostNothing(t, outcome)
  t.same(hooksOf(outcome.old), ['onClose with 0 in hand'])
  t.ok(streams >= 12, `${streams} event streams were open`)
  t.ok(
    outcome.old.lines.some(({ text }) => text === 'worked while announcing'),
    'calls were in hand when the signal came'
  )
  t.equal(outcome.report?.cut.streams, 0)
})

// An MCP server over Streamable HTTP, as in docs/guides/recipes.md.
import { randomUUID } from 'node:crypto'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import Fastify from 'fastify'
import graceful from 'fastify-graceful'
import { z } from 'zod'
import { sayHook, shop, work } from './shop.js'

const app = Fastify({ logger: true })
app.register(graceful)
app.register(shop)
app.addHook('onClose', async () => sayHook('onClose'))
app.get('/phase', async () => app.graceful.phase)

const sessions = new Map()

async function handle (request, reply) {
  let transport = sessions.get(request.headers['mcp-session-id'])
  if (transport === undefined) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => { sessions.set(id, transport) }
    })
    const server = new McpServer({ name: 'roof', version: '1.0.0' })
    server.registerTool('work', {
      description: 'Works for a while',
      inputSchema: { text: z.string() }
    }, async ({ text }) => {
      return { content: [{ type: 'text', text: await work(app, text) }] }
    })
    await server.connect(transport)
  }
  reply.hijack()
  await transport.handleRequest(request.raw, reply.raw, request.body)
}

app.post('/mcp', handle)
app.delete('/mcp', handle)
app.get('/mcp', { config: { graceful: { stream: true } } }, handle)

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })

import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** What a process is told to do. */
export type Order = 'hang' | 'crash' | 'oom'

/** What happens to a process before its own program begins. Absent: nothing. */
export interface BootFault {
  /** Milliseconds for which the program is held back. */
  delay?: number
  /** It exits with this code in place of the program. */
  exitCode?: number
}

/**
 * Runs in each process of a replica, before its program. It listens for no signal, opens no file, and keeps no process.
 * Which of several processes serves is known by its listener.
 */
function agentText (port: number, replica: number, { delay = 0, exitCode }: BootFault): string {
  return `import{connect}from'node:net';import{isMainThread}from'node:worker_threads'
if(isMainThread){
const s=connect(${port},'127.0.0.1').unref().on('error',()=>{});s.write('${replica}\\n')
s.setEncoding('latin1').on('data',(o)=>{
if(o==='?'&&process.getActiveResourcesInfo().includes('TCPServerWrap'))s.write('!')
if(o==='hang')for(const a=new Int32Array(new SharedArrayBuffer(4));;)Atomics.wait(a,0,0,20)
if(o==='crash')setImmediate(()=>{throw new Error('planted by --fault crash')})
if(o==='oom')for(const a=[];;)a.push(new Array(1e6).fill(.5))})
${delay > 0 ? `await new Promise((r)=>setTimeout(r,${delay}))` : ''}
${exitCode === undefined ? '' : `console.error('planted by --fault boot-failure');process.exit(${exitCode})`}
}`
}

/** The lines to the processes of all replicas of one rehearsal, on a port of 127.0.0.1. */
export class AgentLines {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** The processes of each replica, in the order of their start. */
  readonly #processes = new Map<number, Socket[]>()

  constructor () {
    this.#server = createServer((socket) => this.#accept(socket))
  }

  async listen (): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  /** What the `NODE_OPTIONS` of a replica begin with. @param replica a number of its own */
  nodeOptions (replica: number, boot: BootFault = {}): string {
    const { port } = this.#server.address() as AddressInfo
    return `--import=data:text/javascript,${encodeURIComponent(agentText(port, replica, boot))}`
  }

  /** Whether a process of this replica has called. */
  knows (replica: number): boolean { return this.#processes.has(replica) }

  /** The process of this replica that listens; the last one where none says so in time. */
  async serving (replica: number, patience: number): Promise<Socket | undefined> {
    const sockets = this.#processes.get(replica) ?? []
    const signal = AbortSignal.timeout(patience)
    const answers = sockets.map(async (socket) => {
      const answered = once(socket, 'data', { signal })
      socket.write('?')
      await answered
      return socket
    })
    return await Promise.any(answers).catch(() => sockets.at(-1))
  }

  /** Ends the lines. */
  close (): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept (socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket))
    socket.setEncoding('latin1').once('data', (text) => {
      const replica = Number.parseInt(String(text), 10)
      this.#processes.set(replica, [...this.#processes.get(replica) ?? [], socket])
    })
  }
}

/** Tells a process what to do. */
export function order (socket: Socket, what: Order): void {
  socket.write(what)
}

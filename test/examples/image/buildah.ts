import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { programOf } from '../../e2e/balancers/program.ts'

const execute = promisify(execFile)

/** What the test reads of an image's configuration. */
export interface ImageConfig {
  User: string
  Env: string[]
  Entrypoint: string[]
  Cmd: string[]
  WorkingDir: string
  ExposedPorts: Record<string, unknown>
}

/** A builder of images with a store of its own, which is gone with it. */
export class Buildah {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'fastify-graceful-image-'))
  readonly #options = [
    '--root', join(this.folder, 'store'), '--runroot', join(this.folder, 'run'), '--storage-driver', 'vfs'
  ]
  // Neither the loaders of a test run nor what they set are any business of what is built.
  readonly #env = { PATH: process.env['PATH'], HOME: process.env['HOME'], BUILDAH_ISOLATION: 'chroot' }

  /** Runs one of its commands and answers what it writes. @throws Error with all that it wrote */
  async ask (...args: string[]): Promise<string> {
    const { stdout } = await execute('nice', ['-n', '19', 'buildah', ...this.#options, ...args], {
      env: this.#env,
      maxBuffer: 64 << 20
    }).catch((error: Error & { stdout?: string, stderr?: string }) => {
      throw new Error(
        `buildah ${args[0]} failed:\n${(error.stdout ?? '').slice(-4000)}\n${(error.stderr ?? '').slice(-4000)}`
      )
    })
    return stdout.trim()
  }

  /** Makes an image of what somebody puts into an empty folder. */
  async make (names: string[], fill: (root: string) => void): Promise<void> {
    const container = await this.ask('from', 'scratch')
    fill(await this.ask('mount', container))
    await this.ask('umount', container)
    await this.ask(
      'config', '--env', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', '--cmd', 'node',
      container
    )
    for (const name of names) {
      await this.ask('commit', '--quiet', ...name === names.at(-1) ? ['--rm'] : [], container, name)
    }
  }

  async config (image: string): Promise<ImageConfig> {
    return (JSON.parse(await this.ask('inspect', '--type', 'image', image)) as {
      OCIv1: { config: ImageConfig }
    }).OCIv1.config
  }

  /** Runs a command in a new container of the image, as the image's user, in its folder and with its variables. */
  async run (image: string, command: string[], env: Record<string, string>): Promise<ChildProcess> {
    const container = await this.ask('from', '--pull-never', image)
    const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`])
    return spawn('buildah', [...this.#options, 'run', ...variables, container, '--', ...command], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe']
    })
  }

  async remove (): Promise<void> {
    await this.ask('rm', '--all').catch(() => {})
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Installs buildah from Debian's packages where it is missing. */
export function installBuildah (): void {
  programOf('buildah')
}

/** Every descendant of a process, with its command line. */
export function descendants (pid: number): Array<{ pid: number, command: string[] }> {
  let children: string[] = []
  try {
    // Each thread has children of its own.
    children = readdirSync(`/proc/${pid}/task`)
      .flatMap((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim().split(' '))
      .filter((child) => child !== '')
  } catch {
    // It has gone meanwhile.
  }
  return children.flatMap((child) => {
    let command: string[] = []
    try {
      command = readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0').slice(0, -1)
    } catch {
      // So has this one.
    }
    return [{ pid: Number(child), command }, ...descendants(Number(child))]
  })
}

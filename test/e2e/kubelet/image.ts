import { readFileSync } from 'node:fs'

/** What a container runtime reads from an image. */
export interface Image {
  /** Working directory, here on this machine. */
  folder: string
  /** ENTRYPOINT, without the init: here the container's process is not PID 1 anyway. */
  entrypoint: string[]
  command: string[]
  env: Record<string, string>
}

/** One instruction of a Dockerfile. */
export interface Instruction { name: string, argument: string }

const inits = ['tini', '/usr/bin/tini', 'dumb-init', '/usr/bin/dumb-init']

/** The instructions of a Dockerfile, by stage. Comments and continued lines are resolved; heredocs are not known. */
export function readStages (file: string): Instruction[][] {
  const lines = readFileSync(file, 'utf8')
    .split('\n').filter((line) => !/^\s*(#|$)/.test(line)).join('\n').replaceAll(/\\\n\s*/g, ' ').split('\n')
  const stages: Instruction[][] = []
  for (const line of lines) {
    const [, name = '', argument = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? []
    if (name === 'FROM') stages.push([])
    stages.at(-1)?.push({ name, argument })
  }
  return stages
}

/** The last one of these instructions; undefined where there is none. */
export function lastOf (stage: Instruction[], name: string): string | undefined {
  return stage.findLast((instruction) => instruction.name === name)?.argument
}

/**
 * Reads an image from the Dockerfile that describes it.
 *
 * @param folder where the content of its last WORKDIR lies on this machine
 * @throws Error where ENTRYPOINT or CMD are not in exec form
 */
export function readImage (file: string, folder: string): Image {
  const stage = readStages(file).at(-1) ?? []
  const exec = (name: string): string[] => {
    const argument = lastOf(stage, name)
    if (argument === undefined) return []
    if (!argument.startsWith('[')) throw new Error(`${name} of ${file} is not in exec form: ${argument}`)
    return JSON.parse(argument) as string[]
  }
  const entrypoint = exec('ENTRYPOINT')
  const assignments = stage.filter(({ name }) => name === 'ENV')
    .flatMap(({ argument }) => argument.split(/\s+/)).map((pair) => pair.split('='))
  return {
    folder,
    entrypoint: inits.includes(entrypoint[0] ?? '') ? entrypoint.slice(entrypoint.indexOf('--') + 1) : entrypoint,
    command: exec('CMD'),
    env: Object.fromEntries(assignments.map(([name = '', value = '']) => [name, value]))
  }
}

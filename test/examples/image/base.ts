import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** What a slim Debian image has, and what `apt-get install` and npm need in it. */
const wanted = [
  'base-files', 'base-passwd', 'bash', 'coreutils', 'dash', 'debconf', 'debian-archive-keyring', 'debianutils',
  'diffutils', 'dpkg', 'apt', 'findutils', 'grep', 'gzip', 'init-system-helpers', 'libc-bin', 'libstdc++6',
  'perl-base', 'sed', 'tar', 'ca-certificates'
]
/** Of this machine, and no package's: who is who, where packages come from and whom to trust. */
const settings = [
  '/etc/passwd', '/etc/group', '/etc/shadow', '/etc/apt', '/etc/ssl/certs', '/usr/local/share/ca-certificates',
  '/usr/share/ca-certificates', '/etc/nsswitch.conf', '/etc/ld.so.cache', '/var/lib/dpkg', '/etc/debian_version',
  '/etc/npmrc', '/usr/etc/npmrc'
]
const merged = ['bin', 'sbin', 'lib', 'lib64']

const ask = (command: string, args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20, stdio: ['ignore', 'pipe', 'ignore'] })

/** Where a file of a package lies since `/bin` and its like are links. */
const inUsr = (file: string): string => file.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/')

/** The packages with all that they depend on, of those that this machine has. */
function closure (names: string[]): string[] {
  const depends = new Map(ask('dpkg-query', [
    '-W', '-f', '${db:Status-Abbrev}\t${Package}\t${Pre-Depends}, ${Depends}\n'
  ]).split('\n')
    .map((line) => line.split('\t')).filter(([status]) => status?.startsWith('ii'))
    .map(([, name = '', needs = '']) => [
      name,
      needs.split(/[,|]/).map((part) => part.trim().replace(/[\s:(].*$/, '')).filter((part) => part !== '')
    ] as const))
  const found = new Set<string>()
  const pending = names.filter((name) => depends.has(name))
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found.has(name)) continue
    found.add(name)
    pending.push(...(depends.get(name) ?? []).filter((other) => depends.has(other)))
  }
  return [...found]
}

/**
 * Makes a folder into what a `node:…-bookworm-slim` image holds, from this machine's own packages: no registry of
 * images is needed.
 *
 * @param node the binary that becomes `/usr/local/bin/node`
 * @throws Error where the machine is no Debian
 */
export function makeBase (root: string, node: string): void {
  mkdirSync(root, { recursive: true })
  for (const folder of merged) {
    mkdirSync(join(root, 'usr', folder), { recursive: true })
    symlinkSync(`usr/${folder}`, join(root, folder))
  }
  const files = ask('dpkg', ['-L', ...closure(wanted)]).split('\n')
    .filter((file) => file.startsWith('/') && file !== '/.')
    .map(inUsr)
    .filter((file) => !/^\/usr\/share\/(doc|man|locale|info)\//.test(file) && !merged.includes(file.slice(1))
      && existsSync(file))
  const list = join(dirname(root), 'files')
  writeFileSync(
    list,
    [...new Set([...files, ...settings.filter((file) => existsSync(file))])].map((file) => file.slice(1)).join('\n')
  )
  // Folders of packages without what else this machine has in them; the settings whole.
  const known = new Set(settings)
  const [whole, single] = [true, false].map((isWhole) =>
    readFileSync(list, 'utf8').split('\n').filter((file) => known.has(`/${file}`) === isWhole).join('\n'))
  copy(single!, root, ['--no-recursion'])
  copy(whole!, root, [])
  for (const folder of [
    'proc', 'sys', 'dev', 'run', 'tmp', 'root', 'etc', 'var/lib/apt/lists/partial', 'var/cache/apt/archives/partial',
    'usr/local/bin', 'usr/local/lib/node_modules'
  ]) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  execFileSync('chmod', ['1777', join(root, 'tmp')])
  const npmSettings = join(homedir(), '.npmrc')
  if (existsSync(npmSettings)) cpSync(npmSettings, join(root, 'root/.npmrc'))
  cpSync(node, join(root, 'usr/local/bin/node'))
  addNpm(root)
}

function copy (list: string, root: string, options: string[]): void {
  const archive = execFileSync('tar', ['-C', '/', ...options, '-cf', '-', '-T', '-'], {
    input: list,
    maxBuffer: 1 << 30,
    stdio: ['pipe', 'pipe', 'ignore']
  })
  execFileSync('tar', ['-C', root, '--keep-directory-symlink', '-xpf', '-'], {
    input: archive,
    stdio: ['pipe', 'ignore', 'inherit']
  })
}

/** This machine's npm, where the images of Node have it. */
function addNpm (root: string): void {
  const npm = ask('npm', ['root', '--global']).trim()
  cpSync(join(npm, 'npm'), join(root, 'usr/local/lib/node_modules/npm'), { recursive: true })
  for (const name of ['npm', 'npx']) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name))
  }
  // A prefix of its own, and with it a file of settings of its own.
  for (const file of ['/usr/etc/npmrc', '/usr/local/etc/npmrc']) {
    if (!existsSync(file)) continue
    mkdirSync(join(root, 'usr/local/etc'), { recursive: true })
    cpSync(file, join(root, 'usr/local/etc/npmrc'))
  }
}

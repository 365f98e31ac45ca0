import { phaseNumber } from '../../lifecycle/phase.ts'
import type { Phase } from '../../lifecycle/phase.ts'
import type { Child } from './child.ts'

/** The phases at whose end children wait for each other. */
const stepped = ['announcing', 'closing', 'draining'] as const

/** As much of a child as the barrier looks at. */
type Member = Pick<Child, 'alive' | 'inStep' | 'state' | 'pass'>

/** The parent's side: when all children that end together have done with a phase, each may pass on to the next. */
export class PhaseBarrier {
  readonly #children: Iterable<Member>
  readonly #mayPass: (phase: Phase) => boolean
  #passed = 0

  /** @param mayPass what is to be done between a phase and the next one; false where it is not done yet */
  constructor (children: Iterable<Member>, mayPass: (phase: Phase) => boolean) {
    this.#children = children
    this.#mayPass = mayPass
  }

  /** Something has changed. */
  look (): void {
    const members = [...this.#children].filter(({ alive, inStep }) => alive && inStep)
    this.#passLate(members)
    for (const phase of stepped) {
      const number = phaseNumber(phase)
      if (number <= this.#passed) continue
      const isOver = ({ state }: Member): boolean =>
        phaseNumber(state.phase ?? 'running') > number || state.waitsIn === phase
      if (members.length === 0 || !members.every(isOver) || !this.#mayPass(phase)) return
      this.#passed = number
      for (const member of members) member.pass(phase)
    }
  }

  /** Who was not there yet when the others passed. */
  #passLate (members: readonly Member[]): void {
    for (const member of members) {
      const { phase, waitsIn } = member.state
      if (waitsIn !== undefined && waitsIn === phase && phaseNumber(waitsIn) <= this.#passed) member.pass(waitsIn)
    }
  }
}

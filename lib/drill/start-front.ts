import { startBalancer } from './balancer.ts'
import type { Front, Notice } from './fronts.ts'
import { CheckingFront } from './health-checks.ts'
import type { Checking } from './health-checks.ts'
import { startPool } from './pool.ts'
import type { FrontPreset } from './presets.ts'

/** Starts a front with nobody in rotation. @param notice hears of what it finds out by itself */
export async function startFront (
  { pool, checks, isPassive = false }: FrontPreset, asking: Omit<Checking, 'plan'>, notice: Notice
): Promise<Front> {
  const front: Front = pool === undefined
    ? await startBalancer((endpoint) => {
        if (!isPassive || !front.has(endpoint)) return
        void front.remove(endpoint)
        notice(endpoint, false)
      })
    : await startPool(pool)
  return checks === undefined ? front : new CheckingFront(front, { ...asking, plan: checks }, notice)
}

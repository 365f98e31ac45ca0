import type { Floors } from '../../lib/lifecycle/budget.ts'
import { platforms } from '../../lib/platform/detect.ts'
import { floorsOf } from '../../lib/platform/surroundings.ts'

/** The floors of phase 1 in a pod. */
export const kubernetesFloors: Floors = floorsOf(platforms.find(({ name }) => name === 'kubernetes'))

// What the demo runs with; it prints them first. Times are milliseconds.

// DEMO_SPEED=5 makes the waiting shorter, for who has no time to watch. What takes processor time takes as long as ever.
const speed = Math.max(1, Number(process.env.DEMO_SPEED) || 1)

export const settings = {
  // In Kubernetes the default is 5000: new connections keep coming for a while after SIGTERM, and nobody says when
  // the last one has come. Outside it is 0, so it is given here: the demo's balancer goes on for up to 2 s, too.
  announceMin: 2500 / speed,
  // A replica that is not gone by then is killed, as the kubelet does.
  gracePeriod: 15_000,
  // Nobody tells a balancer in the moment a pod is deleted: the news takes about a second, and it comes to pass that it takes two.
  outOfRotation: { least: 1000 / speed, most: 2000 / speed },
  // Load without an update, before the first replica is replaced and after the last one.
  calm: { before: 1000 / speed, after: 500 / speed }
}

/** @returns {string[]} the settings in words */
export function describe ({ announceMin, gracePeriod, outOfRotation: { least, most } } = settings) {
  return [
    `announce.min ${announceMin} ms (the floor of phase 1: 5000 by default in Kubernetes, 0 elsewhere)`,
    `grace period ${gracePeriod} ms (from SIGTERM to SIGKILL)`,
    `the balancer takes a replica out of rotation ${least} to ${most} ms after its SIGTERM`
  ]
}

// What the demo runs with; it prints them first. Times are milliseconds.

// DEMO_SPEED=5 makes the waiting shorter, for who has no time to watch. Computing takes as long as ever.
const speed = Math.max(1, Number(process.env.DEMO_SPEED) || 1)

// Nobody tells a balancer in the moment a pod is deleted: the news takes about a second, and sometimes two.
const outOfRotation = { least: 1000 / speed, most: 2000 / speed }

export const settings = {
  // In Kubernetes the default is 5000: new connections keep coming for a while after SIGTERM, and nobody says when
  // the last one has come. Outside it is 0, so it is given here: the demo's balancer goes on for up to 2 s, too.
  // The half second on top is for a machine that is late, and a demo with less to wait for is late as often.
  announceMin: outOfRotation.most + 500,
  // As in Kubernetes. Outside the default is 500, and visitors on a busy machine can pause for longer.
  drainIdle: 5000,
  // A replica that is not gone by then is killed, as the kubelet does.
  gracePeriod: 15_000,
  outOfRotation,
  // Load without an update, before the first replica is replaced and after the last one.
  calm: { before: 1000 / speed, after: 500 / speed }
}

/** @returns {string[]} the settings in words */
export function describe ({ announceMin, drainIdle, gracePeriod, outOfRotation: { least, most } } = settings) {
  return [
    `announce.min ${announceMin} ms (the floor of phase 1: 5000 by default in Kubernetes, 0 elsewhere)`,
    `drain.idle ${drainIdle} ms (how long a connection may rest in phase 3: as in Kubernetes, 500 elsewhere)`,
    `grace period ${gracePeriod} ms (from SIGTERM to SIGKILL)`,
    `the balancer takes a replica out of rotation ${least} to ${most} ms after its SIGTERM`
  ]
}

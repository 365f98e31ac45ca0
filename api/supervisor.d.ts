interface SupervisorLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
interface Budget {
  gracePeriod: number;
  preStop: number;
  reserve: number;
  close: number;
  closing: number;
  announce: AnnounceBudget;
}
interface AnnounceBudget {
  min: number;
  quiet: number;
  blind: number;
  max: number;
  readinessDelay: number;
}
interface SupervisorOptions {
  script: string;
  args?: readonly string[];
  workers?: number | "auto";
  sticky?: boolean;
  gracePeriod?: number;
  childTimeout?: number;
  startTimeout?: number;
  minReady?: number;
  maxSurge?: number;
  maxCrashes?: number;
  maxMemory?: number;
  statusPort?: number;
  statusHost?: string;
  statusSocket?: string;
  statusSocketMode?: string | number;
  statusToken?: string;
}
interface SuperviseOptions extends SupervisorOptions {
  log?: SupervisorLog;
  signals?: boolean;
  exit?: boolean;
}
declare const phases: readonly ["running", "announcing", "closing", "draining", "terminated"];
type Phase = (typeof phases)[number];
interface Stall {
  name: string;
  reason: string;
}
interface Failure {
  name: string;
  message: string;
}
type ShutdownKind = "shutdown" | "restart" | "crash" | "close";
type PhaseEnd = "condition" | "cap" | "undrain" | "exit";
interface PhaseRecord {
  phase: Phase;
  duration: number;
  endedBy: PhaseEnd;
  stalledBy: Stall[];
}
interface CutRequest {
  method: string;
  route: string | undefined;
  age: number;
}
interface CutConnection {
  method: string | undefined;
  route: string | undefined;
  address: string | undefined;
  age: number;
}
interface Cut {
  requests: CutRequest[];
  streams: number;
  upgraded: number;
  connections: CutConnection[];
  byOthers: CutRequest[];
  waiting: string[];
}
interface LateSource {
  address: string;
  count: number;
}
interface ProbeSummary {
  prober: string;
  answers: number;
  first: number;
  last: number;
}
interface FrontEnd {
  prober: string;
  route: string;
  userAgent: string | undefined;
  address: string | undefined;
  interval: number | undefined;
  answers: number;
  first: number | undefined;
  last: number | undefined;
  outcome: "pending" | "told" | "stopped" | "unaffected";
}
interface TrafficSummary {
  evidence: "observed" | "absent";
  rateBefore: number;
  arrivals: number;
  lastArrival: number | undefined;
  lateArrivals: number;
  lateSources: LateSource[];
  suggestedMin: number | undefined;
  probes: ProbeSummary[];
  frontEnds: FrontEnd[];
  shed: number;
}
interface Report {
  verdict: "clean" | "cut" | "failed";
  summary: string;
  kind: ShutdownKind;
  reason: string;
  exitCode: number;
  startedAt: number;
  duration: number;
  announcedBefore: number;
  gracePeriod: number;
  hurried: Phase | undefined;
  phases: PhaseRecord[];
  traffic: TrafficSummary;
  cut: Cut;
  failures: Array<Failure & {
    phase: Phase;
  }>;
  advice: string[];
}
interface ShutdownProgress {
  kind: ShutdownKind | undefined;
  reason: string | undefined;
  startedAt: number;
  hurried: Phase | undefined;
  phases: PhaseRecord[];
  floor: number;
  cap: number | undefined;
}
interface CheckStatus {
  name: string;
  kinds: readonly string[];
  critical: boolean;
  state: "passing" | "failing" | "degraded" | "unknown";
  age: number | undefined;
  duration: number | undefined;
  error: string | undefined;
}
interface PressureStatus {
  underPressure: boolean;
  heapUsed: number;
  rssBytes: number;
  eventLoopDelay: number;
  eventLoopUtilized: number;
}
interface PublicStatus {
  phase: Phase;
  number: number;
  since: number;
  ready: boolean;
}
interface RequestStatus {
  method: string;
  route: string | undefined;
  age: number;
  kind: string;
}
interface ParticipantStatus {
  name: string;
  reason: string | undefined;
}
interface WatchdogState {
  state: "starting" | "watching" | "failed";
  port: number | undefined;
  blockedCount: number;
  blockedTime: number;
  lastBlocked: {
    duration: number;
    at: number;
    blockedIn: string | undefined;
  } | undefined;
}
interface TrafficStatus {
  rate: number;
  arrivals: number;
  evidence: TrafficSummary["evidence"] | undefined;
  lastArrival: TrafficSummary["lastArrival"];
  lateArrivals: TrafficSummary["lateArrivals"];
  lateSources: TrafficSummary["lateSources"];
  probes: TrafficSummary["probes"];
  frontEnds: TrafficSummary["frontEnds"];
}
interface Versions {
  package: string;
  node: string;
  fastify: string;
}
interface Status extends PublicStatus {
  started: boolean;
  deadline: number | undefined;
  shutdown: ShutdownProgress | undefined;
  holds: string[];
  inFlight: number;
  requests: RequestStatus[];
  connections: Record<string, number>;
  participants: ParticipantStatus[];
  checks: CheckStatus[];
  pressure: PressureStatus | undefined;
  budget: Budget;
  platform?: string | undefined;
  traffic: TrafficStatus;
  work: string[];
  watchdog: WatchdogState | undefined;
  report: Report | undefined;
  versions: Versions;
}
interface ChildStatus {
  child: number;
  pid: number | undefined;
  phase: Phase | undefined;
  ready: boolean;
  responding: boolean;
  leaving: boolean;
  startedAt: number;
  restarts: number;
  memory: number | undefined;
  inFlight: number | undefined;
  connections: number | undefined;
  applications: Status[] | undefined;
}
interface EndedChild {
  child: number;
  pid: number | undefined;
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  verdict: Report["verdict"] | "unfinished";
  summary: string;
  cutRequests: number;
  report: Report | undefined;
}
interface SupervisorStatus {
  phase: Phase;
  number: number;
  since: number;
  ready: boolean;
  workers: number;
  minReady: number;
  readyChildren: number;
  reloading: boolean;
  deadline: number | undefined;
  shutdown: {
    kind: ShutdownKind;
    reason: string;
    startedAt: number;
  } | undefined;
  children: ChildStatus[];
  ended: EndedChild[];
}
interface Supervised {
  readonly done: Promise<number>;
  readonly statusAddress: Promise<string | undefined>;
  reload(reason?: string): void;
  shutdown(options?: {
    reason?: string;
    exitCode?: number;
  }): Promise<number>;
  status(): Promise<SupervisorStatus>;
}
declare function supervise(options: SuperviseOptions): Supervised;
export {
  type ChildStatus,
  type EndedChild,
  type SuperviseOptions,
  Supervised,
  type SupervisorLog,
  type SupervisorOptions,
  type SupervisorStatus,
  supervise
};

import type { Phase, Stall, Failure, ShutdownKind, PhaseEnd, PhaseRecord, CutRequest, CutConnection, Cut, LateSource, ProbeSummary, FrontEnd, TrafficSummary, Report, ShutdownProgress, PublicStatus, RequestStatus, ParticipantStatus, CheckStatus, PressureStatus, WatchdogState, TrafficStatus, Status } from '../index.js'
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
declare const phases: readonly ["running", "announcing", "closing", "draining", "terminated"];
interface Versions {
  package: string;
  node: string;
  fastify: string;
}
interface SupervisorLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
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

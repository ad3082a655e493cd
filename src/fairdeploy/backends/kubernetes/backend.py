"""The backend of one namespace of a cluster."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, final

from fairdeploy.backends.kubernetes import _jobs, _observing, _opening, _validating, _words
from fairdeploy.backends.kubernetes._border import border
from fairdeploy.backends.kubernetes._effects import Effects
from fairdeploy.backends.kubernetes._native import Native
from fairdeploy.backends.kubernetes._pods import Settings
from fairdeploy.errors import Refused
from fairdeploy.model import Capability
from fairdeploy.protocols.lease import Fence as _Fence
from fairdeploy.routing.kubernetes import fencing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from fairdeploy.backends.kubernetes.permissions import Permissions
    from fairdeploy.model import Delegate, Deployment, InstanceId, Job, Release, RevisionId, Target
    from fairdeploy.protocols import Fence, JobState, Journal, Progress, Scene, TrafficRouter, Validation
    from fairdeploy.routing.kubernetes.client import Client, Object

__all__ = ["KubernetesBackend"]

_NOBODY: Final = _Fence(epoch=0, key="")
_OWN: Final = frozenset({Capability.REVISIONS, Capability.REPLICAS, Capability.JOBS, Capability.FENCED})
_DELEGATED: Final = frozenset({Capability.DELEGATED, Capability.JOBS, Capability.FENCED})


@final
class KubernetesBackend:
    """Runs each revision as a Deployment of its own, in one namespace, with nothing installed in the cluster.

    Open it with `KubernetesBackend.open`. All truth is in the cluster: any number of programs may have the same
    namespace open at once. Older epochs are refused by the API server itself: see `fairdeploy.routing.kubernetes.fencing`.

    The Deployments of a target are called ``app-environment-blue``, ``-green``, ``-amber`` and ``-coral``, in any order:
    four revisions can stand side by side. A pod that is on its way out is taken out of every Service by its label
    ``fairdeploy.io/serving``, and is the first that the platform stops when the number is lowered.
    """

    def __init__(
        self,
        client: Client,
        *,
        uri: str,
        settings: Settings,
        router: TrafficRouter | None,
        journal: Journal,
        permissions: Permissions | None = None,
        deployment: str | None = None,
    ) -> None:
        self._client = client
        self._uri = uri
        self._settings = settings
        self._router = router
        self._journal = journal
        self._permissions = permissions
        self._deployment = deployment

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        uri: str = "kubernetes://",
        *,
        settings: Settings | None = None,
        kubeconfig: str | None = None,
        router: Callable[[Client], TrafficRouter] | None = None,
        journal: Journal | None = None,
        permissions: Permissions | None = None,
        guard: bool | None = None,
    ) -> AsyncGenerator[KubernetesBackend]:
        """Open a namespace, by a kubeconfig or as the pod that this runs in.

        Args:
            uri: ``kubernetes://context/namespace``; left out: the current context, and its namespace. The context
                ``in-cluster`` is the service account of the pod that this program runs in. ``?gateway=web``,
                ``?grpc=web``, ``?istio=web`` or ``?service=shop`` names a `GatewayRouter` (of HTTPRoutes, of
                GRPCRoutes), an `IstioRouter` or a `ServiceRouter`: a guard then opens the same.
                ``?deployment=shop`` names one Deployment that the platform rolls by itself: for `Delegated`.
            settings: How pods are made.
            kubeconfig: A file; ``None``: ``$KUBECONFIG``, or ``~/.kube/config``.
            router: What splits traffic, made for the namespace: such as ``lambda client: GatewayRouter(client, "web")``.
                ``None``: what the URI says, or nothing.
            permissions: What must be allowed before a plan is run, as `required_permissions` says; ``None``: not asked.
            journal: Leases and records; ``None``: what the URI says, else the ConfigMap ``fairdeploy-journal`` of the
                namespace.
            guard: Must not be true: there is nothing here that could keep one.

        Yields:
            The backend.

        Raises:
            InvalidInput: If the URI cannot be read, names another journal than is given, or a guard is asked for.
            BackendError: If there is no such context.
            MissingDependency: If the extra is not installed.
        """
        _opening.refuse_guard(guard=guard)
        place = _opening.place(uri, kubeconfig, journal)
        async with AsyncExitStack() as owned:
            client = await owned.enter_async_context(_opening.client(place))
            if journal is None:
                journal = await owned.enter_async_context(_opening.journal(place, client))
            yield cls(
                client,
                uri=_opening.uri(place, client),
                settings=settings or Settings(),
                router=router(client) if router else _opening.router(place, client),
                journal=journal,
                permissions=permissions,
                deployment=place.deployment,
            )

    @property
    def uri(self) -> str:
        """``kubernetes://`` with context, namespace, the router if it was given there, and a journal that is not its own."""
        return self._uri

    @property
    def client(self) -> Client:
        """What asks the API server, for routers of the same namespace; it counts its calls."""
        return self._client

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Revisions, replicas, jobs and fences, and what the router can do; or what is delegated."""
        if self._deployment is not None:
            return _DELEGATED
        return _OWN if self._router is None else _OWN | self._router.capabilities

    @property
    def router(self) -> TrafficRouter | None:
        """What splits traffic."""
        return self._router

    @property
    def journal(self) -> Journal:
        """Leases and records."""
        return self._journal

    async def observe(self, target: Target) -> Deployment:
        """Return what is there."""
        with border(f"looking at {target.id!r}", self._client.context):
            if (native := self._native(target, _NOBODY)) is not None:
                return await native.observe()
            effects = self._effects(target, _NOBODY)
            book = await fencing.seen(self._client, target)
            if not book.version:
                return _observing.deployment(target, (), (), None, self._settings.port)
            found, pods = await effects.deployments(), await effects.pods()
            return _observing.deployment(target, found, pods, book.data.get("stable"), self._settings.port)

    async def check(self, target: Target, release: Release) -> None:
        """Refuse a release that could not be made into pods, and an endpoint that cannot be served. Changes nothing.

        Raises:
            StartError: If the release asks for what pods cannot do.
            Refused: If the router cannot serve the target.
        """
        if (native := self._native(target, _NOBODY)) is not None:
            with border(f"looking at {target.id!r}", self._client.context):
                await native.check(release)
            return
        with border(f"looking at release {release.version!r}", self._client.context):
            await self._effects(target, _NOBODY).rehearse(release)
        if self._router is not None and target.endpoint is not None:
            await self._router.check(target)

    def validations(self) -> Sequence[Validation]:
        """Return what to look at before a plan is run: permissions, if they were given, probes, and time to stop."""
        rolled = self._rolled if self._deployment is not None else None
        return _validating.validations(self._client, self._permissions, self._settings.pre_stop, rolled)

    async def _rolled(self, scene: Scene) -> tuple[str, Object]:
        native = Native(self._effects(scene.target, _NOBODY), self._deployment or "")
        with border(f"looking at {scene.target.id!r}", self._client.context):
            return native.name, await native.template(scene.release)

    async def ensure(
        self,
        target: Target,
        revision: RevisionId,
        release: Release,
        replicas: int,
        fence: Fence,
        *,
        drained: frozenset[InstanceId] = frozenset(),
    ) -> None:
        """Bring a revision to ``replicas`` instances that do not quiesce, and stop those in ``drained``.

        Raises:
            StartError: If the API server refuses the pods, or the release asks for what pods cannot do.
            Refused: If it is not allowed, or there are too many revisions.
            Fenced: If a newer epoch was seen.
        """
        with border(f"starting {revision!r} of {target.id!r}", self._client.context):
            self._refuse_delegated(target)
            await self._effects(target, fence).ensure(revision, release, replicas, drained)

    async def quiesce(self, target: Target, instances: frozenset[InstanceId], fence: Fence) -> None:
        """Take instances out of every Service.

        Raises:
            Fenced: If a newer epoch was seen.
        """
        with border(f"quiescing instances of {target.id!r}", self._client.context):
            self._refuse_delegated(target)
            await self._effects(target, fence).quiesce(instances)

    async def remove(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """Delete the Deployment of a revision, and with it its pods, jobs and copied configuration.

        Raises:
            BackendError: If it is the stable revision.
            Fenced: If a newer epoch was seen.
        """
        with border(f"removing {revision!r} of {target.id!r}", self._client.context):
            native = self._native(target, fence)
            await (native or self._effects(target, fence)).remove(revision)

    async def promote(self, target: Target, revision: RevisionId, fence: Fence) -> None:
        """Write the stable mark into the target's ConfigMap.

        Raises:
            BackendError: If the revision is not there.
            Fenced: If a newer epoch was seen.
        """
        with border(f"promoting {revision!r} of {target.id!r}", self._client.context):
            native = self._native(target, fence)
            await (native or self._effects(target, fence)).promote(revision)

    async def delegate(
        self, target: Target, step: Delegate, release: Release | None, fence: Fence
    ) -> Progress:
        """Let the platform roll its Deployment to a revision, and return how far it has come with exactly that one.

        Raises:
            StartError: If the API server refuses the pods, or the platform does not remember the revision.
            Refused: If it is not allowed, or no Deployment was named when this was opened.
            Fenced: If a newer epoch was seen.
        """
        native = self._native(target, fence)
        if native is None:
            raise Refused(
                "no Deployment is named to be rolled by the platform: open 'kubernetes://...?deployment=shop'"
            )
        with border(f"rolling out {step.revision!r} of {target.id!r}", self._client.context):
            return await native.delegate(step, release)

    async def execute(
        self, target: Target, revision: RevisionId, release: Release, job: Job, fence: Fence
    ) -> JobState:
        """Start a Job once per key, and return how far it has come.

        Raises:
            StartError: If the API server refuses it.
            Fenced: If a newer epoch was seen.
        """
        with border(f"running job {job.name!r} of {target.id!r}", self._client.context):
            return await _jobs.execute(self._effects(target, fence), revision, release, job)

    async def tail(
        self, target: Target, revision: RevisionId, lines: int
    ) -> Mapping[InstanceId, tuple[str, ...]]:
        """Return the last lines that each pod has written; of one that has crashed, those before the crash."""
        with border(f"reading logs of {revision!r}", self._client.context):
            native = self._native(target, _NOBODY)
            pods = await (native or self._effects(target, _NOBODY)).pods(revision)
            return await _words.said(self._client, pods, lines)

    def _effects(self, target: Target, fence: Fence) -> Effects:
        return Effects(self._client, self._settings, target, fence)

    def _native(self, target: Target, fence: Fence) -> Native | None:
        return Native(self._effects(target, fence), self._deployment) if self._deployment else None

    def _refuse_delegated(self, target: Target) -> None:
        if self._deployment is not None:
            raise Refused(
                f"instances of {target.id!r} are replaced by the platform (Deployment {self._deployment!r}): use Delegated()"
            )

"""Asks a cluster's API server: one small door, so that retries, time-outs and errors are in one place."""

from __future__ import annotations

import importlib
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import anyio

from fairdeploy.errors import BackendError, MissingDependency
from fairdeploy.routing.kubernetes._answers import Answered, answered
from fairdeploy.routing.kubernetes._wire import AGAIN, Wire, words
from fairdeploy.routing.kubernetes.mirror import Mirror

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

__all__ = ["APPLY_PATCH", "MANAGER", "MERGE_PATCH", "Answered", "Client", "Object", "connected"]

Object: TypeAlias = dict[str, Any]
"""An object as the API has it: JSON. (`Any`: what is in it, its kind says.)"""

MANAGER: Final = "fairdeploy"
"""The field manager of all that we write."""
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
_TRIES = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


@final
class Client:
    """One namespace of a cluster, as its API server shows it.

    Every request has a deadline. What the server has no time for (429, 5xx), and connections that break, are tried
    again with growing, jittered pauses; the server's ``Retry-After`` is kept to. Who looks at the same thing again, by
    `known` or `listed`, is told by a watch, and costs no call.

    Args:
        wire: Carries requests.
        namespace: Where everything is.
        context: How the cluster is called in the kubeconfig, for error messages and URIs.
        tasks: Where watches are followed.
    """

    def __init__(self, wire: Wire, namespace: str, context: str, tasks: TaskGroup) -> None:
        self._wire = wire
        self._tasks = tasks
        self._mirrors: dict[tuple[str, str], Mirror | None] = {}
        self.namespace = namespace
        self.context = context
        self.calls: Counter[str] = Counter()
        """How many requests were sent so far, by verb and resource, such as ``patch deployments``."""

    async def get(self, path: str, **query: str) -> Object:
        """Get or list something; ``path`` as in `path_of`."""
        return await self.ask("GET", path, query=query)

    async def find(self, path: str) -> Object | None:
        """Get something, or ``None`` if it is not there."""
        try:
            return await self.get(path)
        except Answered as answer:
            if answer.status == 404:
                return None
            raise

    async def known(self, path: str) -> Object | None:
        """Return an object as it was a moment ago, or ``None``; from the second look on by a watch.

        It is not to be changed. What is done upon it is to be proved by its ``resourceVersion``.
        """
        collection, _, name = path.rpartition("/")
        mirror = self._mirror(collection, f"metadata.name={name}", only=name)
        if mirror is None:
            return await self.find(path)
        return next(iter(await mirror.items()), None)

    async def recalled(self, path: str) -> Object | None:
        """Return an object as a watch that stands already knows it, else as it is now, or ``None``: see `known`."""
        name = path.rpartition("/")[2]
        for mirror in self._of(path):
            for each in await mirror.items():
                if each["metadata"]["name"] == name:
                    return each
        return await self.find(path)

    async def listed(self, path: str, selector: str, *, within: str | None = None) -> list[Object]:
        """Return the objects with certain labels as they were a moment ago; from the second look on by a watch.

        They are not to be changed.

        Args:
            path: Of the collection.
            selector: As ``key=value,key``: nothing else.
            within: A selector of all that is watched, so that many share one watch; ``None``: the same.
        """
        mirror = self._mirror(path, within or selector)
        if mirror is None:
            items: list[Object] = (await self.get(path, labelSelector=selector))["items"]
            return items
        return [each for each in await mirror.items() if within is None or _fits(each, selector)]

    def _mirror(self, path: str, selector: str, *, only: str | None = None) -> Mirror | None:
        """Return who is told about it: from the second look on, as most who look once never look again."""
        key = (path, selector)
        if key not in self._mirrors:
            self._mirrors[key] = None
        elif self._mirrors[key] is None:
            kind = "labelSelector" if only is None else "fieldSelector"
            self._mirrors[key] = Mirror(self, path, {kind: selector}, self._tasks, only=only)
        return self._mirrors[key]

    async def create(self, path: str, body: Object, *, rehearse: bool = False) -> Object:
        """Create something, or only have it looked at; what is there already is `Answered` with ``AlreadyExists``."""
        query = {"fieldManager": MANAGER, **({"dryRun": "All"} if rehearse else {})}
        try:
            return await self.ask("POST", path, body=body, query=query)
        finally:
            # It is there now, or was before us.
            self._doubt(f"{path}/{body.get('metadata', {}).get('name', '')}")

    async def merge(self, path: str, body: Object) -> Object:
        """Apply a merge patch. With ``metadata.resourceVersion`` it is refused if somebody else was quicker."""
        return await self._patched(path, body, MERGE_PATCH, {"fieldManager": MANAGER})

    async def apply(self, path: str, body: Object) -> Object:
        """Apply, server-side, all that we want of an object of ours: fields that we leave out are given up.

        With ``metadata.resourceVersion`` it is refused if somebody else was quicker. Conflicts are forced, as the
        project recommends for controllers: it is for objects that are ours by their label.
        """
        return await self._patched(path, body, APPLY_PATCH, {"fieldManager": MANAGER, "force": "true"})

    async def _patched(self, path: str, body: Object, content: str, query: Mapping[str, str]) -> Object:
        found = await self.ask("PATCH", path, body=body, content=content, query=query)
        for mirror in self._of(path):
            mirror.note(path.rpartition("/")[2], found)
        return found

    def _of(self, path: str) -> list[Mirror]:
        """Return who is told about an object."""
        collection, _, name = path.rpartition("/")
        return [each for each in self._mirrors.values() if each and each.is_about(collection, name)]

    def _doubt(self, path: str) -> None:
        for mirror in self._of(path):
            mirror.doubt()

    async def delete(self, path: str, body: Object | None = None) -> None:
        """Delete something; what is not there is no error."""
        try:
            await self.ask("DELETE", path, body=body or {"propagationPolicy": "Background"})
        except Answered as answer:
            if answer.status != 404:
                raise
        self._doubt(path)

    async def text(self, path: str, **query: str) -> str:
        """Get what is no JSON, such as a log."""
        return await self._tried("GET", path, None, query, "application/json")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
    ) -> Object:
        """Send one request, and again if that may help.

        Raises:
            Answered: If the server refuses.
            BackendError: If it cannot be reached.
        """
        found: Object = json.loads(await self._tried(method, path, body, query or {}, content))
        return found

    @asynccontextmanager
    async def stream(self, path: str, **query: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a watch, and give its lines as they come.

        Raises:
            Answered: If the server refuses.
            OSError: If the connection breaks, then or later.
            TimeoutError: If nothing is heard for too long.
        """
        self.calls[f"watch {_resource(path)}"] += 1
        async with self._wire.stream(path, query) as lines:
            yield lines

    async def _tried(
        self, method: str, path: str, body: object, query: Mapping[str, str], content: str
    ) -> str:
        pause = _FIRST_PAUSE
        for attempt in range(1, _TRIES + 1):
            try:
                self.calls[f"{method.lower()} {_resource(path)}"] += 1
                status, text, wait = await self._wire.exchange(method, path, body, query, content)
            except OSError as error:
                if attempt == _TRIES:
                    raise BackendError(
                        f"the API server of {self.context!r} does not answer ({words(error)}): "
                        "see that it runs, and that this machine reaches it"
                    ) from error
                wait = pause
            else:
                if status < 300:
                    return text
                if status not in AGAIN or attempt == _TRIES:
                    raise answered(status, text)
            await anyio.sleep(max(wait, pause) * random.uniform(0.7, 1.3))  # noqa: S311 -- spreads load
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise AssertionError  # unreachable: the last attempt returns or raises


def _fits(found: Object, selector: str) -> bool:
    """Whether an object has labels such as ``key=value,key``."""
    labels = found["metadata"].get("labels") or {}
    wanted = (each.partition("=") for each in selector.split(","))
    return all(key in labels and (not equals or labels[key] == value) for key, equals, value in wanted)


def _resource(path: str) -> str:
    """Name the resource of a path: what follows the namespace, or the group."""
    parts: Sequence[str] = path.strip("/").split("/")
    if "namespaces" in parts and len(parts) > parts.index("namespaces") + 2:
        rest = parts[parts.index("namespaces") + 2 :]
        return rest[0] if len(rest) < 3 else f"{rest[0]}/{rest[2]}"
    return parts[-1]


@asynccontextmanager
async def connected(
    namespace: str | None, *, context: str | None = None, kubeconfig: str | None = None
) -> AsyncGenerator[Client]:
    """Connect by a kubeconfig, or, with the context ``in-cluster``, as the pod that this runs in.

    Raises:
        MissingDependency: If the extra is not installed.
        BackendError: If there is no such configuration.
    """
    try:
        library = importlib.import_module("kubernetes_asyncio")
        config = importlib.import_module("kubernetes_asyncio.config")
        client = importlib.import_module("kubernetes_asyncio.client")
    except ImportError as error:
        raise MissingDependency(
            'Kubernetes needs an extra that is not installed: pip install "fairdeploy[kubernetes]"'
        ) from error
    del library
    try:
        settings = client.Configuration()
        settings.connection_pool_maxsize = 0  # no limit: every watch has a connection of its own
        if context == "in-cluster":
            config.load_incluster_config(client_configuration=settings)
            named: Object = {"name": context, "context": {}}
        else:
            known, current = config.list_kube_config_contexts(config_file=kubeconfig)
            named = next((each for each in known if each["name"] == context), current) if context else current
            await config.load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=settings, persist_config=False
            )
    except (config.ConfigException, OSError, KeyError, TypeError, ValueError) as error:
        raise BackendError(
            f"no cluster: context {context or 'that is current'!r} of kubeconfig {kubeconfig or '$KUBECONFIG'!r} "
            f"cannot be used ({words(error)}): see 'kubectl config get-contexts'"
        ) from error
    chosen = namespace or named["context"].get("namespace") or "default"
    api, raised = client.ApiClient(configuration=settings), None
    async with anyio.create_task_group() as tasks:
        wire = Wire(api, tasks)
        try:
            yield Client(wire, chosen, str(named["name"]), tasks)
        except Exception as error:  # noqa: BLE001 -- raised below: out of a group it would come wrapped
            raised = error
        finally:
            tasks.cancel_scope.cancel()
            await wire.close()
    if raised is not None:
        raise raised

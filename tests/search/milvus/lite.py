"""A server that speaks Milvus's protocol and wants a token: Milvus Lite behind a lock."""

from __future__ import annotations

import base64
import contextlib
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def server(folder: Path, token: str | None = None, version: str | None = None) -> Iterator[str]:
    """Serve a folder of Milvus Lite on a free port of this machine; gives its address."""
    grpc: Any = importlib.import_module("grpc")
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from milvus_lite.db import MilvusLite
    from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

    class Servicer(MilvusServicer):  # type: ignore[misc]
        def GetVersion(self, request: Any, context: Any) -> Any:
            if version is None:
                return super().GetVersion(request, context)
            return milvus_pb2.GetVersionResponse(status=common_pb2.Status(), version=version)

    class Lock(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Any, details: Any) -> Any:
            sent = dict(details.invocation_metadata).get("authorization", "")
            if token is None or sent == base64.b64encode(token.encode()).decode():
                return continuation(details)

            def refuse(request: Any, context: Any) -> None:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check")

            return grpc.unary_unary_rpc_method_handler(refuse)

    db = MilvusLite(str(folder))
    running = grpc.server(ThreadPoolExecutor(4), interceptors=[Lock()])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Servicer(db), running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.stop(0).wait()
        db.close()

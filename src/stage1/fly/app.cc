// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "stage1/fly/app.h"

#include "base/file.h"
#include "pod/paths.h"

namespace rkt::fly {

Result<FlyApp> ReadApp() {
  FlyApp fly;
  std::string text = TRY_CTX(ReadFile(pod::kManifestFile), "reading the pod manifest");
  fly.pod = TRY_CTX(appc::ParsePodManifest(text), "pod manifest");
  if (fly.pod.apps.size() != 1) {
    return Err(Code::kUnsupported, "fly only supports 1 application per Pod for now");
  }
  text = TRY_CTX(ReadFile(pod::AppImageManifest(fly.app()->name)), "reading the image manifest");
  fly.image = TRY_CTX(appc::ParseImageManifest(text), "image manifest");
  if (fly.app()->app) {
    fly.section = *fly.app()->app;
  } else if (fly.image.app) {
    fly.section = *fly.image.app;
  } else {
    return Err(Code::kInvalid, "neither the pod nor the image of ", fly.app()->name,
               " says what to run");
  }
  return fly;
}

Result<stage1::Identity> AppIdentity(int root, const FlyApp& app) {
  stage1::IdentityRequest request;
  request.user = app.section.user;
  request.group = app.section.group;
  request.supplementary_gids.assign(app.section.supplementary_gids.begin(),
                                    app.section.supplementary_gids.end());
  // Converted images name the user's own group, which their /etc/group may not have.
  request.docker_gid_fallback =
      appc::FindAnnotation(app.image.annotations, "appc.io/docker/repository") && app.image.app &&
      app.image.app->user == app.image.app->group && app.image.app->group == app.section.group;
  return stage1::ResolveIdentity(root, request);
}

Result<std::string> Stage1Dir() {
  if (Exists(StrCat(pod::kStage1Rootfs, "/rkt"))) return std::string(pod::kStage1Rootfs);
  std::string tree(Trim(TRY(ReadFile(pod::kStage1TreeFile, 4096))));
  return pod::OverlayUpper(tree);
}

}  // namespace rkt::fly

# rkt_stage1(FLAVOR PROGRAM TARGET INTERFACE N ENTRYPOINTS NAME=/PATH... [ENTER_FLAGS FLAG,...] [DIRS DIR...])
#
# Packs the static multicall program of TARGET and a manifest into stage1-FLAVOR.aci. Every entry point is a hard
# link to the one program, which tells by argv[0] what it is asked for. The same program gives the same bytes.
# ENTER_FLAGS are the flags that its `enter` knows (docs/stage1-contract.md).
# DIRS are directories of the image's root besides those that the stage1 contract wants.
function(rkt_stage1 flavor)
  cmake_parse_arguments(STAGE1 "" "PROGRAM;INTERFACE;ENTER_FLAGS" "ENTRYPOINTS;DIRS" ${ARGN})
  set(annotations "")
  set(names "")
  foreach(entry ${STAGE1_ENTRYPOINTS})
    string(REGEX MATCH "^([a-z/]+)=/(.+)$" _ "${entry}")
    string(APPEND annotations
           "{\"name\":\"coreos.com/rkt/stage1/${CMAKE_MATCH_1}\",\"value\":\"/${CMAKE_MATCH_2}\"},")
    list(APPEND names ${CMAKE_MATCH_2})
  endforeach()
  if(STAGE1_ENTER_FLAGS)
    string(APPEND annotations
           "{\"name\":\"coreos.com/rkt/stage1/enter-flags\",\"value\":\"${STAGE1_ENTER_FLAGS}\"},")
  endif()
  string(APPEND annotations
         "{\"name\":\"coreos.com/rkt/stage1/interface-version\",\"value\":\"${STAGE1_INTERFACE}\"}")
  set(manifest ${CMAKE_CURRENT_BINARY_DIR}/stage1-${flavor}.manifest)
  file(CONFIGURE OUTPUT ${manifest} CONTENT
    [[{"acKind":"ImageManifest","acVersion":"0.8.11","name":"coreos.com/rkt/stage1-@flavor@","labels":[{"name":"version","value":"@PROJECT_VERSION@"},{"name":"arch","value":"amd64"},{"name":"os","value":"linux"}],"annotations":[@annotations@]}
]] @ONLY)
  set(aci ${RKT_STAGE1_DIR}/stage1-${flavor}.aci)
  set(tree_header ${CMAKE_CURRENT_BINARY_DIR}/linked/linked_stage1_tree.h)
  set(pack ${PROJECT_SOURCE_DIR}/cmake/pack-stage1.sh)
  add_custom_command(OUTPUT ${aci}
    COMMAND ${pack} ${aci} ${manifest} $<TARGET_FILE:${STAGE1_PROGRAM}>
            ${names} -- etc opt/stage2 rkt/env rkt/status ${STAGE1_DIRS} -- ${tree_header} ${STAGE1_INTERFACE}
    DEPENDS ${STAGE1_PROGRAM} ${manifest} ${pack}
    BYPRODUCTS ${tree_header}
    COMMENT "Packing stage1-${flavor}.aci" VERBATIM)
  add_custom_target(stage1-${flavor} ALL DEPENDS ${aci})
  # For a program with the same objects linked in: include linked_stage1_tree.h, after stage1-FLAVOR is made.
  set(RKT_STAGE1_TREE_${flavor} ${CMAKE_CURRENT_BINARY_DIR}/linked CACHE INTERNAL "")
  install(FILES ${aci} DESTINATION lib/rkt/stage1-images)
endfunction()

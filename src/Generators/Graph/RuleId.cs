namespace Generated.Generators.Graph;

/// <summary>
/// Every rule of the language, by range: 00 shape of the class, 01 wiring, 02 widths, 03 norms and attention,
/// 04 checkpoint names, 05 config and presets, 06 tensor parallelism, 07 recipes (from 0703 on in Recipes/Rules/RecipeRule.cs, which
/// loading has too). Texts and severities are in Diagnostics/.
/// </summary>
internal static class RuleId
{
    public const string NotPartial = "GEN0001";
    public const string ForwardMissing = "GEN0002";
    public const string ForwardDuplicate = "GEN0003";
    public const string ForwardShape = "GEN0004";
    public const string ClassShape = "GEN0005";
    public const string SeveralFiles = "GEN0006";
    public const string LayerShape = "GEN0007";
    public const string SeveralLayerAttributes = "GEN0008";
    public const string ConstructorParameter = "GEN0009";
    public const string NameTaken = "GEN0010";

    public const string Statement = "GEN0101";
    public const string Call = "GEN0102";
    public const string Expression = "GEN0103";
    public const string Reassignment = "GEN0104";
    public const string LayerUsedTwice = "GEN0105";
    public const string LayerUnused = "GEN0106";
    public const string HelperRecursion = "GEN0107";
    public const string ValueUnused = "GEN0108";
    public const string Factor = "GEN0109";
    public const string Capture = "GEN0110";

    public const string WidthMismatch = "GEN0201";
    public const string UnequalWidths = "GEN0202";
    public const string OddHeadWidth = "GEN0203";
    public const string InexactDivision = "GEN0204";
    public const string KvHeads = "GEN0205";
    public const string SectionSum = "GEN0206";
    public const string TiedShape = "GEN0207";
    public const string TiedTarget = "GEN0208";
    public const string ResultWidth = "GEN0209";

    public const string NormNotFoldable = "GEN0301";
    public const string NoBiasForShift = "GEN0302";
    public const string NoPositions = "GEN0303";
    public const string HalfRotated = "GEN0304";

    public const string DuplicateName = "GEN0401";
    public const string NameTemplate = "GEN0402";

    public const string UnknownMember = "GEN0501";
    public const string MemberType = "GEN0502";
    public const string ConfigShape = "GEN0503";
    public const string PropertyWithoutKey = "GEN0504";
    public const string PropertyType = "GEN0505";
    public const string DuplicateModelType = "GEN0506";
    public const string PresetShape = "GEN0507";
    public const string WidthCount = "GEN0508";
    public const string ConfigMismatch = "GEN0509";
    public const string NotDeclared = "GEN0510";
    public const string Recursion = "GEN0511";
    public const string UnreadableDeclaration = "GEN0512";
    public const string DuplicateKey = "GEN0513";
    public const string DuplicatePreset = "GEN0514";
    public const string PresetValue = "GEN0515";
    public const string InputScheme = "GEN0516";

    public const string Partition = "GEN0601";
    public const string TensorParallelDegree = "GEN0602";

    public const string RecipeShape = "GEN0701";
    public const string NotAnArchitecture = "GEN0702";
}
